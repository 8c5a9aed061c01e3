"""Runs workflow jobs with act in host mode."""
