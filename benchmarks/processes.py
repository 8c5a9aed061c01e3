"""A command as a process of its own: how long it took, how much of the processors and of memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import ROOT

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")
_TAIL = 3_000


@dataclass(frozen=True)
class Taken:
    """What a process took, with all the processes that it started and waited for.

    Attributes
    ----------
    wall
        Seconds from its start to its end.
    processor
        Seconds of processor, its own and the system's for it: what other work on the machine changes little.
    peak_mb
        The most memory that one of the processes held.
    said
        What it printed on stdout.
    """

    wall: float
    processor: float
    peak_mb: float
    said: str

    def __sub__(self, start: Taken) -> Taken:
        """Return what it took beyond another process, such as one that only starts."""
        return Taken(self.wall - start.wall, self.processor - start.processor, self.peak_mb, self.said)


def plain_environment(**more: str) -> dict[str, str]:
    """Return an environment without what somebody's shell, or a workflow, says to the programs measured."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | more


def taken(command: Sequence[str], environment: Mapping[str, str], folder: Path = ROOT) -> Taken:
    """Run a command and say what it took.

    Raises
    ------
    RuntimeError
        Where it fails, with the end of what it said.
    """
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as said,
        tempfile.TemporaryFile("w+", encoding="utf-8") as wrong,
    ):
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=said, stderr=wrong)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        printed = said.read()
        if process.returncode != 0:
            wrong.seek(0)
            raise RuntimeError(
                f"{' '.join(command)[:300]} ended with {process.returncode}:\n{(printed + wrong.read())[-_TAIL:]}"
            )
    # Linux counts kilobytes, macOS bytes.
    unit = 1024 if os.uname().sysname == "Linux" else 1024**2
    return Taken(wall, used.ru_utime + used.ru_stime, round(used.ru_maxrss / unit, 1), printed)
