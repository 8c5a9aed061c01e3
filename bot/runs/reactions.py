"""The App's reactions to comments: by them it recognises the commands that it has read."""

from __future__ import annotations

READ, TAKEN = "eyes", "+1"
"""READ is added to every command on receipt, TAKEN to one whose effect the run's comment will show."""
