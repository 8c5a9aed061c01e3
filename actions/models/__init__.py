"""A saved model: the file, its features, its answers, its figures, its card."""
