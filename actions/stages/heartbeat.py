"""Shows that a stage's process is alive: a small file beside ``progress.json`` that a thread of the process rewrites.

Progress can stall while a library works; the heartbeat does not. If it stops before the job has ended, the runner is lost.
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

INTERVAL = 15.0
"""Seconds between beats."""


@contextlib.contextmanager
def beating(stage: Stage, folder: Path) -> Iterator[None]:
    """Rewrite the file while the block runs; remove it at the end."""
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
        with contextlib.suppress(OSError):  # such as a full disk, which the work itself reports
            write_atomically(file, beat.model_dump_json() + "\n")
        if over.wait(INTERVAL):
            return
