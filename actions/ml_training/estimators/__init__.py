"""Estimators of our own, with the interface of scikit-learn's: model files contain them, so their import paths must not change."""
