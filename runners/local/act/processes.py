"""Finds and ends the processes of a workflow run, including those that left its process group or lost their parent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
"""Linux's list of processes. Without it, none is found."""


def can_be_found() -> bool:
    """Tell whether this system shows the environment of processes."""
    return PROC.is_dir()


def belonging(environment: Mapping[str, str], folder: Path | None = None) -> list[int]:
    """Return the processes started with all of these variables, or whose working directory is in ``folder``.

    Without ``/proc``, for example on macOS, there are none; check ``can_be_found`` where it matters.

    Parameters
    ----------
    environment
        Environment variables of the process; children inherit them.
    folder
        Also finds processes that were started with an empty environment.
    """
    if not can_be_found():
        return []
    wanted = {f"{name}={value}".encode() for name, value in environment.items()}
    return [
        int(entry.name)
        for entry in PROC.iterdir()
        if entry.name.isdigit()
        and int(entry.name) != os.getpid()
        and (_started_with(entry, wanted) or (folder is not None and _works_in(entry, folder)))
    ]


def end(environment: Mapping[str, str], folder: Path | None = None, *, seconds: float = 5.0) -> list[int]:
    """Kill what ``belonging`` finds until there is nothing left; return what remains after ``seconds`` (normally [])."""
    limit = time.monotonic() + seconds
    while found := belonging(environment, folder):
        for process in found:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if time.monotonic() > limit:
            return found
        time.sleep(0.01)
    return []


def _started_with(entry: Path, wanted: set[bytes]) -> bool:
    with suppress(OSError):
        return wanted <= set((entry / "environ").read_bytes().split(b"\0"))
    return False


def _works_in(entry: Path, folder: Path) -> bool:
    with suppress(OSError):
        return (entry / "cwd").readlink().is_relative_to(folder)
    return False
