"""Logs, metrics, the dashboard, and who may see them."""
