"""Advances runs: states and their effects, and the background tasks that find what no event reported."""
