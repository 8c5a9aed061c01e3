"""The hub's git repositories: objects, smart HTTP, and the events of a push."""
