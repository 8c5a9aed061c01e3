"""A running stage's sign of life: a small file beside ``progress.json``, replaced by a thread of the stage's own process.

Progress may stand still while a library works; this does not. Where it stops before the job has ended, the runner is gone.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from actions.contracts.results import HEARTBEAT_FILE, Heartbeat
from actions.contracts.stage import Stage
from actions.storage.folder import write_atomically

EVERY = 15.0
"""Seconds from one beat to the next."""


@contextlib.contextmanager
def beating(stage: Stage, folder: Path) -> Iterator[None]:
    """Replace the file again and again while the block lasts, and remove it in the end."""
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(stage, folder / HEARTBEAT_FILE, over), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with contextlib.suppress(OSError):
            (folder / HEARTBEAT_FILE).unlink()


def _beat(stage: Stage, file: Path, over: threading.Event) -> None:
    number = os.environ.get("GITHUB_RUN_ID", "")
    workflow_run = int(number) if number.isdecimal() else 0
    while True:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        beat = Heartbeat(stage=stage, workflow_run=workflow_run, at=now)
        with contextlib.suppress(OSError):  # a storage that is full, say: the work itself says so
            write_atomically(file, beat.model_dump_json() + "\n")
        if over.wait(EVERY):
            return
