"""The App's settings: from the environment (``MODELYARD_...``) and a ``.env`` file, all checked before anything starts."""

from __future__ import annotations

from bot.settings.loading import env_file, explain_and_exit, load_settings, settings_or_exit, variables
from bot.settings.model import PREFIX, Settings
from bot.settings.problems import SettingsError

__all__ = [
    "PREFIX",
    "Settings",
    "SettingsError",
    "env_file",
    "explain_and_exit",
    "load_settings",
    "settings_or_exit",
    "variables",
]
