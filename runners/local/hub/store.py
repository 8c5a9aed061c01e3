"""The hub's storage: typed records as JSON documents in one SQLite file.

A kind of record is a frozen dataclass that inherits ``Record``. Adding one takes two steps and no migration::

    @dataclass(frozen=True)
    class WorkflowRun(Record, table="workflow_run", indexed=("repository_id", "status"), first_id=9_000_001):
        repository_id: int
        status: str = "queued"
        inputs: dict[str, str] = field(default_factory=dict)

    runs = store.table(WorkflowRun)          # creates the table where it is missing
    run = runs.add(WorkflowRun(repository_id=1))      # the same record, now with its id
    run = runs.update(run.id, status="in_progress")   # read, changed and written in one transaction
    runs.find(repository_id=1, status="in_progress", newest_first=True, limit=30)

Fields hold JSON values (str, int, float, bool, None, list, dict). Fields (or properties) that are ``indexed`` become columns, and
``find`` and ``count`` take those alone; the one that few records share comes last, because its index is used. A new field needs
a default, so that older documents can still be read.
Changes that belong together go into ``with store.transaction():``; it nests, and holds the lock of the store.
"""

# ruff: noqa: S608 - names of tables and columns come from the classes, values are bound

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

Indexable = str | int | None


@dataclass(frozen=True, kw_only=True)
class Record:
    """Base of all stored records; the table assigns ``id``."""

    TABLE: ClassVar[str]
    INDEXED: ClassVar[tuple[str, ...]]
    FIRST_ID: ClassVar[int]

    id: int = 0

    def __init_subclass__(cls, table: str, indexed: tuple[str, ...] = (), first_id: int = 1) -> None:
        cls.TABLE, cls.INDEXED, cls.FIRST_ID = table, indexed, first_id

    def pick(self, *names: str) -> dict[str, Any]:
        """Return fields by name, for JSON that has them under the same names."""
        return {name: getattr(self, name) for name in names}


R = TypeVar("R", bound=Record)


class Table(Generic[R]):
    """The records of one kind."""

    def __init__(self, store: Store, kind: type[R]) -> None:
        self._store = store
        self._kind = kind
        self._fields = {field.name for field in dataclasses.fields(kind)}
        self._create()

    def add(self, record: R) -> R:
        """Store a new record and return it with its id."""
        columns = ", ".join(("document", *self._kind.INDEXED))
        marks = ", ".join("?" for _ in range(len(self._kind.INDEXED) + 1))
        with self._store.transaction() as database:
            cursor = database.execute(
                f"INSERT INTO {self._kind.TABLE} ({columns}) VALUES ({marks})", self._values(record)
            )
            return dataclasses.replace(record, id=int(cursor.lastrowid or 0))

    def get(self, record_id: int) -> R | None:
        """Return the record with this id, or None."""
        with self._store.reading() as database:
            row = database.execute(f"SELECT id, document FROM {self._kind.TABLE} WHERE id = ?", (record_id,)).fetchone()
        return self._read(row) if row else None

    def need(self, record_id: int) -> R:
        """Return the record with this id; KeyError if there is none."""
        record = self.get(record_id)
        if record is None:
            raise KeyError(f"{self._kind.TABLE} {record_id}")
        return record

    def find(self, *, newest_first: bool = False, limit: int = -1, offset: int = 0, **equals: Indexable) -> list[R]:
        """Return the records whose indexed fields have these values, ordered by id."""
        where, values = self._where(equals)
        order = "DESC" if newest_first else "ASC"
        with self._store.reading() as database:
            rows = database.execute(
                f"SELECT id, document FROM {self._kind.TABLE}{where} ORDER BY id {order} LIMIT ? OFFSET ?",
                (*values, limit, offset),
            ).fetchall()
        return [self._read(row) for row in rows]

    def first(self, **equals: Indexable) -> R | None:
        """Return the oldest record that matches, or None."""
        where, values = self._where(equals)
        with self._store.reading() as database:
            row = database.execute(
                f"SELECT id, document FROM {self._kind.TABLE}{where} ORDER BY id LIMIT 1", values
            ).fetchone()
        return self._read(row) if row else None

    def count(self, **equals: Indexable) -> int:
        """Return how many records match."""
        where, values = self._where(equals)
        with self._store.reading() as database:
            row = database.execute(f"SELECT count(*) FROM {self._kind.TABLE}{where}", values).fetchone()
        return int(row[0])

    def update(self, record_id: int, **changes: Any) -> R:
        """Change fields of a record in one transaction and return it; KeyError if there is none."""
        with self._store.transaction():
            record = dataclasses.replace(self.need(record_id), **changes)
            self.save(record)
        return record

    def save(self, record: R) -> None:
        """Replace the stored record with the same id."""
        columns = ", ".join(f"{name} = ?" for name in ("document", *self._kind.INDEXED))
        with self._store.transaction() as database:
            database.execute(
                f"UPDATE {self._kind.TABLE} SET {columns} WHERE id = ?", (*self._values(record), record.id)
            )

    def delete(self, record_id: int) -> bool:
        """Remove a record; return whether there was one."""
        with self._store.transaction() as database:
            return database.execute(f"DELETE FROM {self._kind.TABLE} WHERE id = ?", (record_id,)).rowcount > 0

    def _create(self) -> None:
        kind, names = self._kind, self._kind.INDEXED
        columns = "".join(f", {name}" for name in names)
        with self._store.transaction() as database:
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {kind.TABLE} "
                f"(id INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT NOT NULL{columns})"
            )
            for name in names:
                database.execute(f"CREATE INDEX IF NOT EXISTS {kind.TABLE}_{name} ON {kind.TABLE} ({name})")
            # Each kind counts from its own base, so that an id of the wrong kind is not found instead of matching another record.
            database.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?, ? "
                "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?)",
                (kind.TABLE, kind.FIRST_ID - 1, kind.TABLE),
            )

    def _values(self, record: R) -> tuple[Indexable, ...]:
        document = {name: getattr(record, name) for name in self._fields if name != "id"}
        indexed = (getattr(record, name) for name in self._kind.INDEXED)
        return (json.dumps(document, ensure_ascii=False), *indexed)

    def _read(self, row: tuple[int, str]) -> R:
        document = json.loads(row[1])
        known = {name: value for name, value in document.items() if name in self._fields}
        return self._kind(**{**known, "id": row[0]})

    def _where(self, equals: dict[str, Indexable]) -> tuple[str, list[Indexable]]:
        unknown = set(equals) - set(self._kind.INDEXED)
        if unknown:
            raise ValueError(f"{self._kind.TABLE} has no indexed field {', '.join(sorted(unknown))}")
        if not equals:
            return "", []
        # SQLite has no statistics and may choose any index; the plus keeps it off all but the one of the last field.
        *others, last = (name for name in self._kind.INDEXED if name in equals)
        terms = [*(f"+{name} IS ?" for name in others), f"{last} IS ?"]
        return " WHERE " + " AND ".join(terms), [equals[name] for name in (*others, last)]


class Store:
    """One SQLite file; thread-safe, one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._tables: dict[type[Record], Table[Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        with self.transaction() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS counter (scope INTEGER, name TEXT, value INTEGER, PRIMARY KEY (scope, name))"
            )

    def table(self, kind: type[R]) -> Table[R]:
        """Return the table of a kind; create it if missing."""
        with self._lock:
            if kind not in self._tables:
                self._tables[kind] = Table(self, kind)
            return self._tables[kind]

    def next_number(self, scope: int, name: str) -> int:
        """Count from 1 without gaps or repetition: issue numbers and run numbers of a repository (the scope)."""
        with self.transaction() as database:
            row = database.execute(
                "INSERT INTO counter VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value",
                (scope, name),
            ).fetchone()
        return int(row[0])

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the lock for a read."""
        with self._lock:
            yield self._database

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Make several changes atomic: an exception that leaves the block undoes them. Nests."""
        with self._lock:
            if self._depth == 0:
                self._database.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield self._database
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._database.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._database.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._database.close()
