"""Which processes there are."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path


def seconds(number: int) -> str:
    """Return a long time for ``sleep`` that no other test run on this machine uses: each number has its own."""
    return str(1_000_000 + 1_000 * os.getpid() + number)


def until_gone(*words: str) -> None:
    """Wait until no process has this command line any more."""
    end = time.monotonic() + 60
    while running_with(*words):
        assert time.monotonic() < end, f"{words} still runs"
        time.sleep(0.05)


def running_with(*words: str) -> list[str]:
    """Return the command lines that are exactly these words (the first by its file name)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
            if [Path(command[0]).name, *command[1:]] == list(words):
                found.append(" ".join(command))
    return found
