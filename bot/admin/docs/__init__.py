"""Generates the pages of docs/operations from the registered operations."""
