"""What the App must not forget: the inbox of webhook deliveries, the runs, the models' locks, the run numbers.

SQLAlchemy Core on SQLite (WAL, synchronous=FULL: a commit survives a power cut). Every method is one transaction and
may block for some milliseconds; asynchronous callers run it in a thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from bot.delivery import NEWS, Delivery, Taken
from bot.pipeline import Run, State
from bot.tables import COUNTERS, INBOX, LOCKS, METADATA, RUNS

MOST_TRIES = 5
"""So often a delivery is handled before it becomes a dead letter."""


class StaleRunError(Exception):
    """Somebody else saved the run in the meantime: read it and decide again."""


class Store:
    """The App's database.

    Parameters
    ----------
    url
        SQLAlchemy's database URL, such as ``sqlite:////var/lib/modelyard/app.db``. A missing file is made.
    """

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(parsed, connect_args={"timeout": 5})
        sa.event.listen(self._engine, "connect", _configure)
        sa.event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        METADATA.create_all(self._engine)
        self._turn = threading.Lock()

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        # SQLite lets one in at a time and has the others look again after ever longer pauses: here they wait in line.
        with self._turn, self._engine.begin() as connection:
            yield connection

    # --- inbox -------------------------------------------------------------------------------------------------------

    def take_in_all(self, deliveries: Sequence[Delivery]) -> list[Taken]:
        """Store deliveries durably, all or none, and say what became of each.

        News of a workflow run has its effect here and is done with that: its run is looked at.
        """
        query = insert(INBOX).on_conflict_do_nothing(index_elements=["id"]).returning(INBOX.c.id)
        with self._transaction() as connection:
            added = set(connection.execute(query, [_inbox_row(delivery) for delivery in deliveries]).scalars())
            woken = _wake(connection, [one for one in deliveries if one.event in NEWS and one.id in added])
        found: list[Taken] = []
        for delivery in deliveries:
            concerns_nobody = delivery.event in NEWS and (delivery.repository, delivery.workflow_run) not in woken
            found.append("repeated" if delivery.id not in added else "ignored" if concerns_nobody else "stored")
            added.discard(delivery.id)
        return found

    def waiting_deliveries(self, now: datetime, limit: int = 1_000) -> list[tuple[str, str]]:
        """Return (repository, id) of the deliveries that are due, oldest first."""
        query = (
            sa.select(INBOX.c.repository, INBOX.c.id)
            .where(INBOX.c.status == "new", INBOX.c.due <= now.timestamp())
            .order_by(INBOX.c.number)
            .limit(limit)
        )
        with self._transaction() as connection:
            return [(row.repository, row.id) for row in connection.execute(query)]

    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return a delivery that still has to be handled; None where that was done."""
        query = sa.select(INBOX).where(INBOX.c.id == delivery_id, INBOX.c.status == "new")
        with self._transaction() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _delivery(row)

    def delivery_done(self, delivery_id: str) -> None:
        with self._transaction() as connection:
            connection.execute(INBOX.update().where(INBOX.c.id == delivery_id).values(status="done", payload=b""))

    def put_delivery_off(self, delivery_id: str, error: str, until: datetime) -> None:
        """Have a delivery handled later, without counting a try: what failed was not about it."""
        values = {"due": until.timestamp(), "error": error[:2_000]}
        with self._transaction() as connection:
            connection.execute(INBOX.update().where(INBOX.c.id == delivery_id).values(values))

    def delivery_failed(self, delivery_id: str, error: str, now: datetime) -> bool:
        """Count a failed try and put the next one off; True where that was the last and it is a dead letter now."""
        with self._transaction() as connection:
            tries = connection.execute(sa.select(INBOX.c.tries).where(INBOX.c.id == delivery_id)).scalar_one() + 1
            dead = bool(tries >= MOST_TRIES)
            due = (now + timedelta(seconds=2**tries)).timestamp()
            status = "dead" if dead else "new"
            values = {"tries": tries, "status": status, "due": due, "error": error[:2_000]}
            connection.execute(INBOX.update().where(INBOX.c.id == delivery_id).values(values))
            return dead

    # --- runs --------------------------------------------------------------------------------------------------------

    def open_run(self, make: Callable[[int], Run]) -> Run:
        """Number and store a new run, unless its issue has an open one already: then return that.

        ``make`` gets the number that the run takes and must not do I/O.
        """
        with self._transaction() as connection:
            draft = make(1)
            known = self._latest_of_issue(connection, draft.repository, draft.issue)
            if known is not None and not known.ended:
                return known
            query = sa.select(COUNTERS.c.last_run).where(COUNTERS.c.repository == draft.repository)
            number = (connection.execute(query).scalar_one_or_none() or 0) + 1
            counted = insert(COUNTERS).values(repository=draft.repository, last_run=number)
            connection.execute(counted.on_conflict_do_update(index_elements=["repository"], set_={"last_run": number}))
            run = make(number)
            connection.execute(RUNS.insert().values(_row(run)))
            return run

    def save(self, run: Run) -> Run:
        """Replace a stored run; return it under its new row version.

        Raises
        ------
        StaleRunError
            Where the stored one is not the one that ``run`` was made from.
        """
        saved = run.but(row_version=run.row_version + 1)
        query = (
            RUNS.update()
            .where(
                RUNS.c.repository == run.repository,
                RUNS.c.id == run.id,
                RUNS.c.row_version == run.row_version,
            )
            .values(_row(saved))
        )
        with self._transaction() as connection:
            if connection.execute(query).rowcount != 1:
                raise StaleRunError(run.id)
        return saved

    def change(self, run: Run, change: Callable[[Run], Run]) -> Run:
        """Apply a pure change to the run as it is stored now, and have it looked at."""
        while True:
            try:
                return self.save(change(self.run(run.repository, run.id)))
            except StaleRunError:
                continue

    def run(self, repository: str, run_id: str) -> Run:
        query = sa.select(RUNS.c.document).where(RUNS.c.repository == repository, RUNS.c.id == run_id)
        with self._transaction() as connection:
            return Run.model_validate_json(connection.execute(query).scalar_one())

    def run_of_issue(self, repository: str, issue: int) -> Run | None:
        """Return the issue's latest run, open or ended."""
        with self._transaction() as connection:
            return self._latest_of_issue(connection, repository, issue)

    def _latest_of_issue(self, connection: sa.Connection, repository: str, issue: int) -> Run | None:
        query = (
            sa.select(RUNS.c.document)
            .where(RUNS.c.repository == repository, RUNS.c.issue == issue)
            .order_by(RUNS.c.number.desc())
            .limit(1)
        )
        document = connection.execute(query).scalar_one_or_none()
        return None if document is None else Run.model_validate_json(document)

    def due_runs(self, now: datetime, limit: int = 100) -> list[tuple[str, str]]:
        """Return (repository, id) of the open runs that want to be looked at, the longest due first."""
        query = (
            sa.select(RUNS.c.repository, RUNS.c.id)
            .where(RUNS.c.state != State.END, (RUNS.c.due <= now.timestamp()) | RUNS.c.poked)
            .order_by(RUNS.c.due)
            .limit(limit)
        )
        with self._transaction() as connection:
            return [(row.repository, row.id) for row in connection.execute(query)]

    def claim(self, repository: str, run_id: str) -> Run:
        """Return a run to work on; what pokes it from now on is not seen yet."""
        with self._transaction() as connection:
            connection.execute(
                RUNS.update().where(RUNS.c.repository == repository, RUNS.c.id == run_id).values(poked=False)
            )
        return self.run(repository, run_id)

    def next_due(self) -> datetime | None:
        """Return when the next run or delivery is due, if any waits."""
        due = sa.case((RUNS.c.poked, 0.0), else_=RUNS.c.due)
        runs = sa.select(sa.func.min(due)).where(RUNS.c.state != State.END)
        deliveries = sa.select(sa.func.min(INBOX.c.due)).where(INBOX.c.status == "new")
        with self._transaction() as connection:
            found = [connection.execute(query).scalar_one_or_none() for query in (runs, deliveries)]
        times = [time for time in found if time is not None]
        return datetime.fromtimestamp(min(times), UTC) if times else None

    def open_runs(self, repository: str | None = None) -> list[Run]:
        query = sa.select(RUNS.c.document).where(RUNS.c.state != State.END).order_by(RUNS.c.number)
        if repository is not None:
            query = query.where(RUNS.c.repository == repository)
        with self._transaction() as connection:
            return [Run.model_validate_json(document) for document in connection.execute(query).scalars()]

    # --- locks -------------------------------------------------------------------------------------------------------

    def take_lock(self, run: Run) -> str:
        """Take the model's lock for a run if it is free and no older run waits for it; return the owner's id."""
        key = {"repository": run.repository, "model": run.model}
        ended = sa.select(RUNS.c.id).where(RUNS.c.repository == run.repository, RUNS.c.state == State.END)
        with self._transaction() as connection:
            connection.execute(LOCKS.delete().filter_by(**key).where(LOCKS.c.run.in_(ended)))
            owner = connection.execute(sa.select(LOCKS.c.run).filter_by(**key)).scalar_one_or_none()
            if owner is not None:
                return str(owner)
            first = connection.execute(
                sa.select(RUNS.c.id)
                .where(RUNS.c.repository == run.repository, RUNS.c.model == run.model)
                .where(RUNS.c.state == State.QUEUED)
                .order_by(RUNS.c.number)
                .limit(1)
            ).scalar_one_or_none()
            if first is not None and first != run.id:
                return str(first)
            connection.execute(LOCKS.insert().values(run=run.id, **key))
            return run.id

    def release_lock(self, run: Run) -> None:
        """Give back what the run has locked, and have the runs that wait looked at."""
        with self._transaction() as connection:
            connection.execute(LOCKS.delete().where(LOCKS.c.repository == run.repository, LOCKS.c.run == run.id))
            connection.execute(
                RUNS.update()
                .where(RUNS.c.repository == run.repository, RUNS.c.state == State.QUEUED, RUNS.c.id != run.id)
                .values(poked=True)
            )

    def check(self) -> None:
        """Raise where the database does not answer."""
        with self._transaction() as connection:
            connection.execute(sa.select(sa.func.count()).select_from(COUNTERS))


def _configure(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
    """Make SQLite durable, and leave the transactions to SQLAlchemy."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _wake(connection: sa.Connection, news: Sequence[Delivery]) -> set[tuple[str, int]]:
    """Have the open runs looked at that news is about; return them as (repository, workflow run)."""
    about = {(one.repository, one.workflow_run) for one in news}
    is_open = RUNS.c.workflow_run.in_([workflow_run for _, workflow_run in about]) & (RUNS.c.state != State.END)
    rows = connection.execute(sa.select(RUNS.c.repository, RUNS.c.id, RUNS.c.workflow_run).where(is_open)).all()
    found = [row for row in rows if (row.repository, row.workflow_run) in about]
    for row in found:
        this = (RUNS.c.repository == row.repository) & (RUNS.c.id == row.id)
        connection.execute(RUNS.update().where(this).values(poked=True))
    return {(row.repository, row.workflow_run) for row in found}


def _inbox_row(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "action": delivery.action,
        "repository": delivery.repository or "",
        "installation": delivery.installation or 0,
        "payload": b"" if delivery.event in NEWS else delivery.payload,
        "received": delivery.received_at.timestamp(),
        "status": "done" if delivery.event in NEWS else "new",
        "tries": 0,
        "due": delivery.received_at.timestamp(),
    }


def _row(run: Run) -> dict[str, object]:
    return {
        "repository": run.repository,
        "id": run.id,
        "number": run.number,
        "issue": run.issue,
        "model": run.model,
        "state": run.state.value,
        "workflow_run": run.dispatch.workflow_run if run.dispatch else None,
        "due": run.due.timestamp() if run.due else None,
        "row_version": run.row_version,
        "document": run.model_dump_json(),
    }


def _delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    return Delivery(
        id=row.id,
        event=row.event,
        action=row.action,
        repository=row.repository or None,
        installation=row.installation or None,
        payload=row.payload,
        received_at=datetime.fromtimestamp(row.received, UTC),
    )
