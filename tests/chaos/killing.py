"""The App's processes, each started so that it dies at a kill point, and restarted when it has."""

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
"""Every kill point except those of writes: of each state, of each event."""
WRITES = 40
"""Each process also dies before or after one of its first writes to GitHub, up to this one."""
ROLES = (("serve", "--no-worker"), ("worker",), ("worker",))
SUDDEN = 0.01
"""The chance, at each check, that a process is killed wherever it is."""


class Processes:
    """One process that receives webhooks and two workers.

    Parameters
    ----------
    start
        Starts a process; see ``loop_of_processes``.
    folder
        Where the kill points that were hit are noted.
    kills
        The largest number of kills.
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
        """Return the kill points at which a process has died."""
        return sorted(marker.name for marker in self._folder.iterdir())

    @property
    def kills(self) -> int:
        return len(self.at_points) + self._by_time

    def tend(self) -> None:
        """Restart what has died; now and then kill a process that has not."""
        for number, process in enumerate(self._running):
            if process.poll() is None and self._rng.random() < SUDDEN and self.kills < self._most:
                process.kill()
                process.wait()
                self._by_time += 1
            if process.poll() is not None:
                self._running[number] = self._begin(ROLES[number])

    def _begin(self, role: tuple[str, ...]) -> AppProcess:
        """Start a process that dies where no process has died before."""
        if role[0] == "serve" or self.kills >= self._most:  # a process that only serves reaches no kill point
            return self._start(*role)
        writes = [f"write.{self._rng.choice(('before', 'after'))}#{self._rng.randint(1, WRITES)}"]
        return self._start(*role, kill_at=f"{','.join([*POINTS, *writes])}:{self._folder}")
