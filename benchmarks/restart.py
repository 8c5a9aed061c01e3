"""The App's start on a database with 10,000 runs that wait for a person (promised: under 5 s).

Measured from the start of the process until it answers, and until its worker has begun with the one run that is due: it has
then looked through all of them.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from actions.contracts.run_id import make_run_id
from actions.tasks.classification import ClassificationRequest
from benchmarks import servers
from benchmarks.machine import peak_memory
from benchmarks.report import Cell, Outcome, Table
from benchmarks.servers import database, started
from bot.clock import utc_now
from bot.database.store import Store
from bot.runs.machines.training import OPERATOR_TIMEOUT, State
from bot.runs.run import Run

WAITING = 10_000
PATIENCE = 60.0


def run() -> Outcome:
    """Fill a database, and start the App on it."""
    with tempfile.TemporaryDirectory(prefix="modelyard-restart-") as made:
        folder = Path(made)
        _fill(folder)
        began = time.perf_counter()
        with started(servers.modelyard(folder)) as app:
            while not _has_begun(folder) and time.perf_counter() - began < PATIENCE:
                time.sleep(0.01)
            works = time.perf_counter() - began
            memory = peak_memory(app.process)
    rows: list[tuple[Cell, ...]] = [
        ("waiting runs", WAITING),
        ("start to the first answer", round(app.cold_start, 2)),
        ("start to the work on the run that is due", round(works, 2)),
        ("memory MB", memory),
    ]
    return Outcome([Table("restart (seconds)", ("what", "figure"), rows)])


def _fill(folder: Path) -> None:
    store = Store(servers.database_url(folder))
    store.runs.save(store.runs.open(_waiting))
    store.close()
    with closing(sqlite3.connect(database(folder))) as connection, connection:
        connection.row_factory = sqlite3.Row
        first = dict(connection.execute("SELECT * FROM runs").fetchone())
        names = ", ".join(first)
        places = ", ".join(f":{name}" for name in first)
        connection.executemany(f"INSERT INTO runs ({names}) VALUES ({places})", _others(first))  # noqa: S608 - our columns
        connection.execute("UPDATE runs SET poked = 1 WHERE number = 1")


def _waiting(number: int) -> Run:
    now = utc_now()
    request = ClassificationRequest(
        model_name="demo", task="classification", algorithm="xgboost", data="sklearn://breast_cancer",
        target="target", metric="accuracy", threshold=0.9,
    )  # fmt: skip
    return Run(
        id=make_run_id("train", now, number), repository="owner/demo", installation=1, issue=number, requester="writer",
        request=request, created=now, entered=now, due=now + OPERATOR_TIMEOUT,
        state=State.WAIT_FOR_OPERATOR_INPUT,
    )  # fmt: skip


def _others(first: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    known = Run.model_validate_json(first["document"])
    for number in range(2, WAITING + 1):
        made = known.replace(id=f"{known.id[:-3]}{number:03}", issue=number)
        yield {**first, "id": made.id, "number": number, "issue": number, "document": made.model_dump_json()}


def _has_begun(folder: Path) -> bool:
    with closing(sqlite3.connect(database(folder))) as connection:
        return bool(connection.execute("SELECT count(*) FROM runs WHERE poked").fetchone() == (0,))
