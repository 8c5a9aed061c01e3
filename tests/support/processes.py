"""Which processes there are."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def running_with(*words: str) -> list[str]:
    """Return the command lines that are exactly these words (the first by its file name)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
            if [Path(command[0]).name, *command[1:]] == list(words):
                found.append(" ".join(command))
    return found
