"""Data: where it is, what is in it, whether it can be used, and how it is split and preprocessed."""
