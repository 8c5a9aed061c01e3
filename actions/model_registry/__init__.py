"""The registry of models: desired state in training_history/models/<name>.yaml."""
