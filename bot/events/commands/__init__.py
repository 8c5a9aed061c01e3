"""Carries out slash commands."""
