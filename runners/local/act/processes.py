"""Finds and ends the processes of a workflow run, those too that left its process group or lost their parent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
"""Where Linux lists processes. Elsewhere it is missing, and none is ever found."""


def can_be_found() -> bool:
    """Say whether this system tells what its processes were started with."""
    return PROC.is_dir()


def belonging(environment: Mapping[str, str], folder: Path | None = None) -> list[int]:
    """Return the processes that were started with all of these variables, or that work in ``folder`` or below.

    Without ``/proc``, as on macOS, that is none: ask ``can_be_found`` where it matters.

    Parameters
    ----------
    environment
        Variables and values that a process was started with; children inherit them.
    folder
        Catches what was started with an emptied environment.
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
    """Kill what ``belonging`` finds until nothing is found; return what is left after ``seconds`` (normally [])."""
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
