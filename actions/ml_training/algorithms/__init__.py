"""The algorithms: one descriptor per file, found by the registry (``actions/contracts/algorithms.py``).

A file must be cheap to import, for the App reads them all: libraries are imported inside functions.
"""
