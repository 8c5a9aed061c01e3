"""The algorithms: how each is built, which settings it has, and what rules out what."""
