"""A saved model: its file, features, predictions, metrics and card."""
