"""Keeps the git commands that Modelyard runs for itself from depending on how the user configured git."""

from __future__ import annotations

import os
from collections.abc import Mapping

NO_PROGRAMS = ("-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false")
"""Options for commands in a user's checkout, where the rest of the configuration counts (identity, line endings):
hooks and a file system monitor are programs that could fail, wait for input or change the result."""


def isolated(environment: Mapping[str, str], configuration: str = os.devnull) -> dict[str, str]:
    """Return the environment for a git command that ignores the configuration of the machine and the user.

    Parameters
    ----------
    environment
        What the command inherits; variables of git are left out.
    configuration
        The file to use as the user's configuration; none by default.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": configuration, "GIT_TERMINAL_PROMPT": "0"}
