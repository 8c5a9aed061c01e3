"""The client behind `modelyard start`: opens a training issue from the command line."""
