"""Receives deliveries from GitHub: verifies and stores them, and finds those that never arrived."""
