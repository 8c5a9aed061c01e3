"""Where files are: a storage folder or an S3 bucket, and saved scikit-learn models (skops)."""
