"""Evaluation: how good a saved model is on rows it has not seen, and whether it is better than another model."""
