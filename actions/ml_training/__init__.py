"""Training: estimators, their hyperparameters, the model file and what is known of a training."""
