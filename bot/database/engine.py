"""The App's database and its schema's version: SQLite by default, PostgreSQL if several replicas share it.

SQLite runs in WAL mode with synchronous=FULL, so a commit survives a power failure.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from actions.errors import Unavailable
from bot.database.schema_version import HEAD, stamp, version
from bot.database.tables import METADATA

_MIGRATION_LOCK = 0x6D6F64656C79
LOCK_SECONDS = 5


class Database:
    """An open database, with its tables at the newest version.

    Parameters
    ----------
    url
        SQLAlchemy's database URL: ``sqlite:////var/lib/modelyard/app.db`` (a missing file is created) or
        ``postgresql://user:password@host/name``.

    Raises
    ------
    Unavailable
        ``database_driver_missing``, ``database_newer``.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(sa.make_url(url))
        self._turn = threading.Lock() if self.is_sqlite else None
        self._bring_up_to_date()

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction, which is committed if the block ends without an error."""
        if self._turn is None:
            with self._engine.begin() as connection:
                yield connection
        else:
            # SQLite admits one writer at a time and makes the others poll at growing intervals. Here they queue instead.
            with self._turn, self._engine.begin() as connection:
                yield connection

    def insert(self, table: sa.Table) -> Any:
        """Return an INSERT that supports ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    # --- the schema's version ----------------------------------------------------------------------------------------

    def _bring_up_to_date(self) -> None:
        """Create the tables, or migrate those of an older version. Replicas that start at the same moment take turns."""
        with self.transaction() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            present = version(connection)
            if present is None:
                METADATA.create_all(connection)
                stamp(connection, HEAD)
            elif present != HEAD:
                from bot.database.migrations import migrate

                migrate(connection, present)


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "sqlite":
        if url.database and url.database != ":memory:":
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, connect_args={"timeout": LOCK_SECONDS})
        sa.event.listen(engine, "connect", _configure)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine
    try:
        # pool_pre_ping: a connection that the server has closed meanwhile is replaced before it is used.
        return sa.create_engine(url.set(drivername="postgresql+pg8000"), pool_pre_ping=True, pool_size=10)
    except ModuleNotFoundError:
        raise Unavailable(
            "database_driver_missing",
            rule="PostgreSQL needs the driver pg8000.",
            found="It is not installed.",
            next_step="Run this in Modelyard's clone: pip install -c requirements/dev.txt '.[postgres]'",
        ) from None


def _configure(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
    """Make SQLite durable, and leave transactions to SQLAlchemy."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
