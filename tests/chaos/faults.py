"""Faults that are not the hub's: odd files in the storage root, and a configuration that is broken for a while."""

from __future__ import annotations

import os
import random
import stat
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx

from bot.parsing.repository_config import CONFIG_PATH
from runners.local.act.interface import Work
from tests.support.loop import Loop
from tests.support.scripted_runs import AREA, area

ODD_FILES: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path),
    "link out of the storage": lambda path: path.symlink_to("/etc/passwd"),
    "folder": Path.mkdir,
}
"""What can be in the place of a file."""
REPORTS = ("progress.json", "heartbeat.json", "published.json", "model.skops")
"""The files that the App reads in the storage root."""
BROKEN = ("promtion: auto\n", "promotion: [\n", "gate: {margin: .nan}\n", "a: &a [*a]\n", "")
"""Configurations that cannot be read, as people merge them."""
BROKEN_SECONDS = 1.0
FINE_SECONDS = (2.0, 6.0)


class OddFiles:
    """Odd files that jobs leave in the place of their reports.

    Attributes
    ----------
    counts
        How many were left, by kind.
    """

    def __init__(self, rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._rng = rng

    def leave(self, work: Work, stage: str) -> None:
        """Put one in the place of each report of a stage that is not there yet."""
        folder = area(work, AREA[stage])
        folder.mkdir(parents=True, exist_ok=True)
        for name in REPORTS:
            if not os.path.lexists(folder / name):
                kind = self._rng.choice(list(ODD_FILES))
                ODD_FILES[kind](folder / name)
                self.counts[f"{kind} as a report"] += 1

    def remove(self, work: Work) -> None:
        """Make room for the reports themselves."""
        for path in (area(work, name) / report for name in set(AREA.values()) for report in REPORTS):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
                path.unlink()


class Configuration:
    """The repository's configuration, which somebody breaks again and again and mends a moment later.

    Attributes
    ----------
    broken
        Whether it is broken now.
    breaks
        How many times it was broken.
    """

    def __init__(self, loop: Loop, rng: random.Random) -> None:
        self.broken = False
        self.breaks = 0
        self._loop = loop
        self._rng = rng
        self._mended = loop.file(CONFIG_PATH) or ""
        self._next = time.monotonic() + FINE_SECONDS[0]

    def tend(self) -> None:
        """Break it, or mend it, when that is due."""
        if time.monotonic() < self._next:
            return
        try:
            self._loop.write(CONFIG_PATH, self._mended if self.broken else self._rng.choice(BROKEN))
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.CONFLICT:  # the App has committed in between
                raise
            return
        self.broken = not self.broken
        self.breaks += self.broken
        self._next = time.monotonic() + (BROKEN_SECONDS if self.broken else self._rng.uniform(*FINE_SECONDS))
