"""A burst of 10,000 deliveries into the App: how many it refuses, how fast it takes them, when all are worked off.

Every other one is news of a job, which is worked off in the transaction that stores it. The rest are comments, which the
worker reads one after the other. None makes the App ask GitHub.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks import servers
from benchmarks.deliveries import CONNECTIONS, Load, send
from benchmarks.machine import peak_memory
from benchmarks.report import Cell, Outcome, Table, percentile
from benchmarks.servers import handled_and_stored, started

DELIVERIES = 10_000
EVENTS = ("workflow_job", "issue_comment")
PATIENCE = 240.0


def run() -> Outcome:
    """Send them all, and wait until nothing is left."""
    with tempfile.TemporaryDirectory(prefix="modelyard-burst-") as made, started(servers.modelyard(Path(made))) as app:
        load, left = Load(), iter(range(DELIVERIES))
        began = time.perf_counter()
        asyncio.run(send(app, load, lambda: next(left, None) is not None, EVENTS))
        handled, stored = handled_and_stored(Path(made))
        at_once = handled
        while handled < stored and time.perf_counter() - began < PATIENCE:
            time.sleep(0.1)
            handled, stored = handled_and_stored(Path(made))
        worked_off = time.perf_counter() - began
        memory = peak_memory(app.process)
    took = [seconds * 1000 for seconds in load.took]
    rows: list[tuple[Cell, ...]] = [
        ("deliveries", len(took)),
        ("refused", load.refused),
        ("taken, per second", round(load.rate)),
        ("p50 ms", round(percentile(took, 50), 1)),
        ("p99 ms", round(percentile(took, 99), 1)),
        ("all taken after, s", round(load.seconds, 2)),
        ("worked off by then", at_once),
        ("all worked off after, s", round(worked_off, 2)),
        ("worked off", handled),
        ("memory MB", memory),
    ]
    return Outcome(
        [Table("burst", ("what", "figure"), rows)],
        [f"{CONNECTIONS} connections; {' and '.join(EVENTS)} in turns.", "Promised: none refused, all worked off."],
    )
