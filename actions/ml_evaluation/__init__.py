"""Evaluation: how good a saved model is on rows that it has not seen, as figures and as plots."""
