"""Receives deliveries from GitHub: verifies, stores, and asks for those that were missed."""
