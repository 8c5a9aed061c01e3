"""The App's reactions to comments, by which a command that was read is known again."""

from __future__ import annotations

READ, TAKEN = "eyes", "+1"
"""On every command on receipt, and on one that was done and that the run's comment will show."""
