"""The model registry: the desired state in training_history/models/<name>.yaml."""
