"""What the App must not forget: the inbox of webhook deliveries, the runs, the models' locks, the run numbers.

Every method is one transaction and may block for some milliseconds; asynchronous callers run it in a thread. What is said
here holds for several replicas at once, on one database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.database.engine import Database
from bot.database.tables import COUNTERS, INBOX, LOCKS, RUNS
from bot.runs.machine import END
from bot.runs.machines import states_where
from bot.runs.run import Run
from bot.webhooks.delivery import WAKE_EVENTS, Delivery, InboxResult

MAX_ATTEMPTS = 5
"""So often a delivery is handled before it becomes a dead letter."""

MAX_IDS_PER_QUERY = 500
"""Names in one query."""


_QUEUED = states_where(lambda spec: spec.waits_for == "lock")


class StaleRunError(Exception):
    """Somebody else saved the run in the meantime: read it and decide again."""


@dataclass(frozen=True)
class KeptDelivery:
    """How a delivery stands in the inbox: ``new`` (waits), ``done`` or ``dead`` (a dead letter)."""

    id: str
    event: str
    action: str | None
    repository: str
    received: datetime
    status: str
    tries: int
    error: str | None


class Store:
    """The App's inbox, runs and locks.

    Parameters
    ----------
    url
        The database's address; see ``Database``.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self._take_in = self.database.insert(INBOX).on_conflict_do_nothing(index_elements=["id"]).returning(INBOX.c.id)

    def close(self) -> None:
        self.database.close()

    def _transaction(self) -> AbstractContextManager[sa.Connection]:
        return self.database.transaction()

    # --- inbox -------------------------------------------------------------------------------------------------------

    def take_in_all(self, deliveries: Sequence[Delivery]) -> list[InboxResult]:
        """Store deliveries durably, all or none, and say what became of each.

        News of a workflow run has its effect here and is done with that: its run is looked at.
        """
        rows = [_inbox_row(delivery) for delivery in deliveries]
        with self._transaction() as connection:
            added = set(connection.execute(self._take_in, rows).scalars())
            woken = _wake(connection, [one for one in deliveries if one.event in WAKE_EVENTS and one.id in added])
        found: list[InboxResult] = []
        for delivery in deliveries:
            concerns_nobody = (
                delivery.event in WAKE_EVENTS and (delivery.repository, delivery.workflow_run) not in woken
            )
            found.append("repeated" if delivery.id not in added else "ignored" if concerns_nobody else "stored")
            added.discard(delivery.id)
        return found

    def take_in(self, delivery: Delivery) -> bool:
        """Store one delivery durably; False where its id is known already."""
        return self.take_in_all([delivery]) != ["repeated"]

    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return a delivery that still has to be handled; None where that was done."""
        query = sa.select(INBOX).where(INBOX.c.id == delivery_id, INBOX.c.status == "new")
        with self._transaction() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _delivery(row)

    def delivery_done(self, delivery_id: str) -> None:
        with self._transaction() as connection:
            connection.execute(INBOX.update().where(INBOX.c.id == delivery_id).values(status="done", payload=b""))

    def arrived(self, ids: Collection[str]) -> set[str]:
        """Return those of the deliveries that were ever taken in."""
        wanted, found = sorted(ids), set()
        with self._transaction() as connection:
            for start in range(0, len(wanted), MAX_IDS_PER_QUERY):
                query = sa.select(INBOX.c.id).where(INBOX.c.id.in_(wanted[start : start + MAX_IDS_PER_QUERY]))
                found |= set(connection.execute(query).scalars())
        return found

    def put_delivery_off(self, delivery_id: str, error: str, until: datetime) -> None:
        """Have a delivery handled later, without counting a try: what failed was not about it."""
        values = {"due": until.timestamp(), "error": error[:2_000]}
        with self._transaction() as connection:
            connection.execute(INBOX.update().where(INBOX.c.id == delivery_id).values(values))

    def delivery_failed(self, delivery_id: str, error: str, now: datetime) -> bool:
        """Count a failed try and put the next one off; True where that was the last and it is a dead letter now."""
        with self._transaction() as connection:
            tries = connection.execute(sa.select(INBOX.c.tries).where(INBOX.c.id == delivery_id)).scalar_one() + 1
            dead = bool(tries >= MAX_ATTEMPTS)
            due = (now + timedelta(seconds=2**tries)).timestamp()
            status = "dead" if dead else "new"
            values = {"tries": tries, "status": status, "due": due, "error": error[:2_000]}
            connection.execute(INBOX.update().where(INBOX.c.id == delivery_id).values(values))
            return dead

    def kept(self, *status: str, limit: int = 100) -> list[KeptDelivery]:
        """List deliveries by how they stand (``new``, ``dead``, ``done``), the newest first; without payloads."""
        query = sa.select(*(column for column in INBOX.c if column.name != "payload"))
        query = query.where(INBOX.c.status.in_(status)).order_by(INBOX.c.number.desc()).limit(limit)
        with self._transaction() as connection:
            return [_kept(row) for row in connection.execute(query)]

    def find_delivery(self, delivery_id: str) -> tuple[KeptDelivery, bytes] | None:
        """Return a delivery however it stands, with its payload; that of a delivery which was handled is gone."""
        query = sa.select(INBOX).where(INBOX.c.id == delivery_id)
        with self._transaction() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (_kept(row), row.payload)

    def revive(self, delivery_ids: Sequence[str], now: datetime) -> int:
        """Have dead letters handled once more; return how many there were."""
        dead = INBOX.c.id.in_(delivery_ids) & (INBOX.c.status == "dead")
        values = {"status": "new", "tries": 0, "due": now.timestamp()}
        with self._transaction() as connection:
            return int(connection.execute(INBOX.update().where(dead).values(values)).rowcount)

    def forget_handled(self, before: datetime) -> int:
        """Delete what was received before a time and has been handled; return how many there were."""
        old = (INBOX.c.status == "done") & (INBOX.c.received < before.timestamp())
        with self._transaction() as connection:
            return int(connection.execute(INBOX.delete().where(old)).rowcount)

    # --- runs --------------------------------------------------------------------------------------------------------

    def open_run(self, make: Callable[[int], Run]) -> Run:
        """Number and store a new run, unless its issue has an open one already: then return that.

        ``make`` gets the number that the run takes and must not do I/O.
        """
        with self._transaction() as connection:
            draft = make(1)
            # Whoever opens a run of the same repository at the same moment waits here.
            started = self.database.insert(COUNTERS).values(repository=draft.repository, last_run=0)
            connection.execute(started.on_conflict_do_nothing())
            counter = COUNTERS.c.repository == draft.repository
            number = (
                connection.execute(sa.select(COUNTERS.c.last_run).where(counter).with_for_update()).scalar_one() + 1
            )
            known = self._latest_of_issue(connection, draft.repository, draft.issue)
            if known is not None and not known.ended:
                return known
            connection.execute(COUNTERS.update().where(counter).values(last_run=number))
            run = make(number)
            connection.execute(RUNS.insert().values(_row(run)))
            return run

    def counts(self, repository: str) -> bool:
        """Tell whether the repository's runs are counted yet."""
        query = sa.select(COUNTERS.c.last_run).where(COUNTERS.c.repository == repository)
        with self._transaction() as connection:
            return connection.execute(query).one_or_none() is not None

    def count_from(self, repository: str, last: int) -> None:
        """Begin to count a repository's runs after the last one that is known of."""
        first = self.database.insert(COUNTERS).values(repository=repository, last_run=last).on_conflict_do_nothing()
        with self._transaction() as connection:
            connection.execute(first)

    def restore(self, run: Run) -> bool:
        """Store a run that an earlier database held, with its lock; False where its issue or its id has a run already."""
        lock = {"repository": run.repository, "model": run.model, "run": run.id}
        known = (RUNS.c.issue == run.issue) | (RUNS.c.id == run.id)
        with self._transaction() as connection:
            if connection.execute(sa.select(RUNS.c.id).where(RUNS.c.repository == run.repository, known)).first():
                return False
            # Another replica may restore it at this moment: then it is stored, and so is its lock.
            connection.execute(self.database.insert(RUNS).values(_row(run)).on_conflict_do_nothing())
            if run.spec.stage is not None:
                connection.execute(self.database.insert(LOCKS).values(lock).on_conflict_do_nothing())
        return True

    def save(self, run: Run) -> Run:
        """Replace a stored run; return it under its new row version.

        Raises
        ------
        StaleRunError
            Where the stored one is not the one that ``run`` was made from.
        """
        saved = run.replace(row_version=run.row_version + 1)
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

    def next_due(self) -> datetime | None:
        """Return when the next run or delivery is due, if any waits."""
        due = sa.case((RUNS.c.poked, 0.0), else_=RUNS.c.due)
        runs = sa.select(sa.func.min(due)).where(RUNS.c.state != END)
        deliveries = sa.select(sa.func.min(INBOX.c.due)).where(INBOX.c.status == "new")
        with self._transaction() as connection:
            found = [connection.execute(query).scalar_one_or_none() for query in (runs, deliveries)]
        times = [time for time in found if time is not None]
        return datetime.fromtimestamp(min(times), UTC) if times else None

    def poke_run(self, run: Run) -> None:
        """Have a run looked at."""
        with self._transaction() as connection:
            connection.execute(
                RUNS.update().where(RUNS.c.repository == run.repository, RUNS.c.id == run.id).values(poked=True)
            )

    def issues_with_runs(self, repository: str) -> set[int]:
        """Return the issues that ever had a run."""
        with self._transaction() as connection:
            return set(connection.execute(sa.select(RUNS.c.issue).where(RUNS.c.repository == repository)).scalars())

    def open_runs(self, repository: str | None = None) -> list[Run]:
        query = sa.select(RUNS.c.document).where(RUNS.c.state != END).order_by(RUNS.c.number)
        if repository is not None:
            query = query.where(RUNS.c.repository == repository)
        with self._transaction() as connection:
            return [Run.model_validate_json(document) for document in connection.execute(query).scalars()]

    # --- locks -------------------------------------------------------------------------------------------------------

    def take_lock(self, run: Run) -> str:
        """Take the model's lock for a run if it is free and no older run waits for it; return the owner's id."""
        key = {"repository": run.repository, "model": run.model}
        ended = sa.select(RUNS.c.id).where(RUNS.c.repository == run.repository, RUNS.c.state == END)
        with self._transaction() as connection:
            connection.execute(LOCKS.delete().filter_by(**key).where(LOCKS.c.run.in_(ended)))
            owner = connection.execute(sa.select(LOCKS.c.run).filter_by(**key)).scalar_one_or_none()
            if owner is not None:
                return str(owner)
            first = connection.execute(
                sa.select(RUNS.c.id)
                .where(RUNS.c.repository == run.repository, RUNS.c.model == run.model)
                .where(RUNS.c.state.in_(_QUEUED))
                .order_by(RUNS.c.number)
                .limit(1)
            ).scalar_one_or_none()
            if first is not None and first != run.id:
                return str(first)
            # Another replica may have been quicker.
            connection.execute(self.database.insert(LOCKS).values(run=run.id, **key).on_conflict_do_nothing())
            return str(connection.execute(sa.select(LOCKS.c.run).filter_by(**key)).scalar_one())

    def release_lock(self, run: Run) -> None:
        """Give back what the run has locked, and have the runs that wait looked at."""
        with self._transaction() as connection:
            connection.execute(LOCKS.delete().where(LOCKS.c.repository == run.repository, LOCKS.c.run == run.id))
            connection.execute(
                RUNS.update()
                .where(RUNS.c.repository == run.repository, RUNS.c.state.in_(_QUEUED), RUNS.c.id != run.id)
                .values(poked=True)
            )

    def lock_of(self, repository: str, model: str) -> str | None:
        """Return the id of the run that has a model's lock."""
        query = sa.select(LOCKS.c.run).filter_by(repository=repository, model=model)
        with self._transaction() as connection:
            return connection.execute(query).scalar_one_or_none()

    def free_orphaned_locks(self) -> list[tuple[str, str]]:
        """Free the locks that no open run holds, and have the runs that wait looked at; return (repository, model)."""
        held = sa.exists().where(RUNS.c.repository == LOCKS.c.repository, RUNS.c.id == LOCKS.c.run, RUNS.c.state != END)
        with self._transaction() as connection:
            freed = [(row.repository, row.model) for row in connection.execute(sa.select(LOCKS).where(~held))]
            connection.execute(LOCKS.delete().where(~held))
            connection.execute(RUNS.update().where(RUNS.c.state.in_(_QUEUED)).values(poked=True))
        return freed

    def check(self) -> None:
        """Raise where the database does not answer."""
        with self._transaction() as connection:
            connection.execute(sa.select(sa.func.count()).select_from(COUNTERS))


_OPEN = sa.select(RUNS.c.repository, RUNS.c.id, RUNS.c.workflow_run).where(
    RUNS.c.workflow_run.in_(sa.bindparam("workflow_runs", expanding=True)), RUNS.c.state != END
)
"""The open runs of some workflow runs. Made once: SQLAlchemy takes longer to make a query than SQLite to answer it."""


def _wake(connection: sa.Connection, news: Sequence[Delivery]) -> set[tuple[str, int]]:
    """Have the open runs looked at that news is about; return them as (repository, workflow run)."""
    about = {(one.repository, one.workflow_run) for one in news}
    if not about:
        return set()
    rows = connection.execute(_OPEN, {"workflow_runs": [workflow_run for _, workflow_run in about]}).all()
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
        "payload": b"" if delivery.event in WAKE_EVENTS else delivery.payload,
        "received": delivery.received_at.timestamp(),
        "status": "done" if delivery.event in WAKE_EVENTS else "new",
        "tries": 0,
        "due": 0.0,  # at once, even if the clock goes back
    }


def _row(run: Run) -> dict[str, object]:
    return {
        "repository": run.repository,
        "id": run.id,
        "number": run.number,
        "issue": run.issue,
        "model": run.model,
        "state": str(run.state),
        "workflow_run": run.dispatch.workflow_run if run.dispatch else None,
        "due": run.due.timestamp() if run.due else None,
        "row_version": run.row_version,
        "document": run.model_dump_json(),
    }


def _kept(row: sa.Row[Any]) -> KeptDelivery:
    received = datetime.fromtimestamp(row.received, UTC)
    return KeptDelivery(row.id, row.event, row.action, row.repository, received, row.status, row.tries, row.error)


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
