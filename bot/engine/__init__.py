"""Advances runs: states and their effects, and the loops that find what no event reported."""
