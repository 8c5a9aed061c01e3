"""The App's processes, each started so that it dies at a fault point, and started again when it has."""

from __future__ import annotations

import random
from pathlib import Path

from bot.runs.machines.training import State
from tests.support.app_process import AppProcess
from tests.support.loop import Start

EVENTS = ("issues", "issue_comment", "push", "workflow_job", "workflow_run")
POINTS = (
    *(f"{state}.{when}" for state in State if state is not State.END for when in ("before", "after")),
    *(f"{event}.{when}" for event in EVENTS for when in ("before", "after")),
)
"""Every fault point but those of writes: each state's, each event's."""
WRITES = 40
"""So many writes to GitHub are fault points, before them or after them: of each process one, by turns."""
ROLES = (("serve", "--no-worker"), ("worker",), ("worker",))
SUDDEN = 0.01
"""The chance, at each look, that a process is killed wherever it is."""


class Processes:
    """One process that takes webhooks and two that work.

    Parameters
    ----------
    start
        Starts one; see ``loop_of_processes``.
    folder
        Where what has happened at which fault point is remembered.
    kills
        How many there should be at most.
    """

    def __init__(self, start: Start, folder: Path, kills: int, rng: random.Random) -> None:
        self._start = start
        self._folder = folder / "fault-points"
        self._folder.mkdir()
        self._most = kills
        self._by_time = 0
        self._rng = rng
        self._running = [self._begin(role) for role in ROLES]

    @property
    def at_points(self) -> list[str]:
        """Name the fault points at which a process has died."""
        return sorted(marker.name for marker in self._folder.iterdir())

    @property
    def kills(self) -> int:
        return len(self.at_points) + self._by_time

    def tend(self) -> None:
        """Start again what has died; now and then kill one that has not."""
        for number, process in enumerate(self._running):
            if process.poll() is None and self._rng.random() < SUDDEN and self.kills < self._most:
                process.kill()
                process.wait()
                self._by_time += 1
            if process.poll() is not None:
                self._running[number] = self._begin(ROLES[number])

    def _begin(self, role: tuple[str, ...]) -> AppProcess:
        """Start a process that dies where none has died before."""
        if role[0] == "serve" or self.kills >= self._most:  # what serves comes to no fault point
            return self._start(*role)
        writes = [f"write.{self._rng.choice(('before', 'after'))}#{self._rng.randint(1, WRITES)}"]
        return self._start(*role, kill_at=f"{','.join([*POINTS, *writes])}:{self._folder}")
