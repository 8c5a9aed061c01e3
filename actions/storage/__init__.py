"""Where files are: the storage folder, S3, and saved scikit-learn models (skops)."""
