"""The hub's REST routes, by subject."""
