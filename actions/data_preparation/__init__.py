"""Data: where it is, what it contains, whether it can be used, and how it is split and preprocessed."""
