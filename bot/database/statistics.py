"""Figures and lists for the metrics and the dashboard. Read-only.

Every function is one transaction and may block, so asynchronous callers run it in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.database.engine import Database
from bot.database.leases import LEASE_TIMEOUT
from bot.database.runs import read_run
from bot.database.tables import INBOX, LOCKS, REPLICAS, RUNS
from bot.runs.machine import END
from bot.runs.run import Run

MAX_OPEN = 100
MAX_ENDED = 20
_DAY = len("train-20261122")


@dataclass(frozen=True)
class Figures:
    """Counts. ``oldest`` is when the oldest waiting delivery was received, in seconds since 1970."""

    waiting: int
    dead: int
    oldest: float | None
    runs: Mapping[str, int]
    replicas: int


@dataclass(frozen=True)
class Runs:
    """The open runs by number, the latest ended ones, and the run that holds each model's lock."""

    open: tuple[Run, ...]
    ended: tuple[Run, ...]
    locks: Mapping[tuple[str, str], str]


def figures(database: Database) -> Figures:
    """Count deliveries, open runs and replicas."""
    by_status = sa.select(INBOX.c.status, sa.func.count(), sa.func.min(INBOX.c.received))
    by_status = by_status.where(INBOX.c.status.in_(["new", "dead"])).group_by(INBOX.c.status)
    by_state = sa.select(RUNS.c.state, sa.func.count()).where(RUNS.c.state != END).group_by(RUNS.c.state)
    alive = sa.select(sa.func.count()).select_from(REPLICAS).where(REPLICAS.c.beat >= time.time() - LEASE_TIMEOUT)
    with database.transaction() as connection:
        inbox = {status: (count, oldest) for status, count, oldest in connection.execute(by_status)}
        runs: dict[str, int] = {row[0]: row[1] for row in connection.execute(by_state)}
        replicas = connection.execute(alive).scalar_one()
    waiting, oldest = inbox.get("new", (0, None))
    return Figures(waiting, inbox.get("dead", (0, None))[0], oldest, runs, replicas)


def runs(database: Database) -> Runs:
    """Return the runs and locks to show."""
    documents = sa.select(RUNS.c.document)
    still_open = documents.where(RUNS.c.state != END).order_by(RUNS.c.id).limit(MAX_OPEN)
    # Numbers are counted per repository. Across repositories, runs are ordered by the day in their ids.
    latest = (sa.func.substr(RUNS.c.id, 1, _DAY).desc(), RUNS.c.number.desc())
    ended = documents.where(RUNS.c.state == END).order_by(*latest).limit(MAX_ENDED)
    with database.transaction() as connection:
        return Runs(
            _read(connection, still_open),
            _read(connection, ended),
            {(row.repository, row.model): row.run for row in connection.execute(sa.select(LOCKS))},
        )


def _read(connection: sa.Connection, query: sa.Select[Any]) -> tuple[Run, ...]:
    found = (read_run(document) for document in connection.execute(query).scalars())
    return tuple(run for run in found if run is not None)
