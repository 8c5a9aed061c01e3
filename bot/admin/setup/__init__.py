"""Registers the GitHub App in a browser: one small server with its pages and sessions."""
