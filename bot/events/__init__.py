"""Interprets deliveries: routes each event to what handles it."""
