"""Webhooks into the App, each durable before its 202, against Probot and bare FastAPI, which keep nothing.

All are processes of their own and get the same signed deliveries over 16 connections, in turns. The ratio to Probot is
what counts.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks import probot, servers
from benchmarks.deliveries import CONNECTIONS, LARGEST, SMALLEST, Load, send
from benchmarks.machine import peak_memory
from benchmarks.report import Cell, Outcome, Table, percentile
from benchmarks.servers import Server, handled_and_stored, started

ROUNDS = 3
SECONDS = 2.0
"""Of each turn."""
APP, PROBOT, FASTAPI = "Modelyard (verify, store, 202)", "Probot (verify, 200)", "FastAPI (verify, 202)"


def run() -> Outcome:
    """Let all take in what they can."""
    probot_folder, missing = probot.installed()
    with tempfile.TemporaryDirectory(prefix="modelyard-ingest-") as made, ExitStack() as stack:
        folder = Path(made)
        launches = {APP: servers.modelyard(folder), FASTAPI: servers.fastapi()}
        if probot_folder is not None:
            launches[PROBOT] = servers.probot_app(probot_folder)
        running = {name: stack.enter_context(started(launch)) for name, launch in launches.items()}
        loads = {name: Load() for name in running}
        for _ in range(ROUNDS):
            for name, server in running.items():
                _take_turn(server, loads[name])
        rows = [_row(name, running[name], loads) for name in (APP, PROBOT, FASTAPI) if name in running]
        handled, stored = handled_and_stored(folder)
    columns = ("server", "requests/s", "ratio", "p50 ms", "p99 ms", "memory MB", "cold start s", "requests", "refused")
    notes = [
        f"{CONNECTIONS} connections, deliveries of {SMALLEST // 1000} to {LARGEST // 1000} kB, in {ROUNDS} turns of {SECONDS:.0f} s.",
        f"ratio: to {'Probot' if PROBOT in running else 'FastAPI'}.",
        f"The App's worker runs beside it: it has handled {handled} of {stored} deliveries.",
        "memory: the most that the process held. cold start: until it answers.",
    ]
    if missing:
        notes.append(f"Without Probot: {missing}.")
    return Outcome([Table("webhook ingest", columns, rows)], notes)


def _take_turn(server: Server, load: Load) -> None:
    end = time.perf_counter() + SECONDS
    asyncio.run(send(server, load, lambda: time.perf_counter() < end))


def _row(name: str, server: Server, loads: Mapping[str, Load]) -> tuple[Cell, ...]:
    load, reference = loads[name], loads.get(PROBOT, loads[FASTAPI])
    took = [seconds * 1000 for seconds in load.took]
    return (
        name,
        round(load.rate),
        round(load.rate / reference.rate, 2),
        round(percentile(took, 50), 1),
        round(percentile(took, 99), 1),
        peak_memory(server.process),
        round(server.cold_start, 2),
        len(took),
        load.refused,
    )
