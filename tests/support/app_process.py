"""Processes of the App, as `modelyard serve` and `modelyard worker` start them.

Imports take most of an App's start, so one process makes them and each App is a fork of it.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

_IMPORTED = (
    "bot.cli", "bot.app", "bot.worker", "bot.engine.states", "bot.engine.effects", "bot.github.connection",
    "bot.messages.notifications", "bot.runs.publication", "uvicorn", "uvicorn.protocols.http.httptools_impl", "uvloop",
)  # fmt: skip
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([*_IMPORTED])


class AppProcess:
    """A process that runs a command of the App, its output going to a log."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._process = _CONTEXT.Process(target=_run, args=(command, dict(environment), log), daemon=True)
        self._process.start()

    def poll(self) -> int | None:
        """Return the exit code, or None while the process lives."""
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for the end, not longer than this, and return the exit code: negative for a signal."""
        self._process.join(seconds)
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)


def _run(command: list[str], environment: dict[str, str], log: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from bot import cli, kill_points

    importlib.reload(kill_points)  # reads the environment while it is imported
    sys.exit(cli.main(command))
