"""The inbox: webhook deliveries, from their receipt until they have been handled.

Every method is one transaction and may block for some milliseconds, so asynchronous callers run it in a thread. All of
them are safe with several replicas on one database.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.database.engine import Database
from bot.database.tables import INBOX, REPOSITORIES, RUNS
from bot.runs.machine import END
from bot.webhooks.delivery import WAKE_EVENTS, Delivery, InboxResult

MAX_ATTEMPTS = 5
"""Attempts before a delivery is dead-lettered."""
MAX_IDS_PER_QUERY = 500
MAX_ERROR_LENGTH = 2_000


@dataclass(frozen=True)
class InboxEntry:
    """A delivery's place in the inbox: ``new`` (waits to be handled), ``done`` or ``dead`` (a dead letter)."""

    id: str
    event: str
    action: str | None
    repository: str
    received: datetime
    status: str
    tries: int
    error: str | None


class Inbox:
    """The deliveries of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._add = database.insert(INBOX).on_conflict_do_nothing(index_elements=["id"]).returning(INBOX.c.id)

    def add_all(self, deliveries: Sequence[Delivery]) -> list[InboxResult]:
        """Store deliveries durably, all or none; return what happened to each.

        An event that only wakes a run does so here, in the same transaction: its delivery is stored as done.
        """
        rows = [_row_of(delivery) for delivery in deliveries]
        with self._database.transaction() as connection:
            added = set(connection.execute(self._add, rows).scalars())
            wakers = [delivery for delivery in deliveries if delivery.event in WAKE_EVENTS and delivery.id in added]
            woken = _wake_runs(connection, wakers)
        results: list[InboxResult] = []
        for delivery in deliveries:
            is_ignored = delivery.event in WAKE_EVENTS and (delivery.repository, delivery.workflow_run) not in woken
            results.append("repeated" if delivery.id not in added else "ignored" if is_ignored else "stored")
            added.discard(delivery.id)  # the same delivery may be in the batch twice
        return results

    def add(self, delivery: Delivery) -> bool:
        """Store one delivery durably; return False if its id is known already."""
        return self.add_all([delivery]) != ["repeated"]

    def to_handle(self, delivery_id: str) -> Delivery | None:
        """Return a delivery, unless it has been handled or dead-lettered."""
        has_name = REPOSITORIES.c.name == INBOX.c.repository
        query = sa.select(INBOX, REPOSITORIES.c.id.label("holder")).outerjoin(REPOSITORIES, has_name)
        query = query.where(INBOX.c.id == delivery_id, INBOX.c.status == "new")
        with self._database.transaction() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _delivery(row)

    def mark_done(self, delivery_id: str) -> None:
        """Note that a delivery has been handled, and drop its payload."""
        with self._database.transaction() as connection:
            connection.execute(INBOX.update().where(INBOX.c.id == delivery_id).values(status="done", payload=b""))

    def known(self, ids: Collection[str]) -> set[str]:
        """Return those ids whose delivery was ever stored."""
        wanted, known = sorted(ids), set()
        with self._database.transaction() as connection:
            for start in range(0, len(wanted), MAX_IDS_PER_QUERY):
                query = sa.select(INBOX.c.id).where(INBOX.c.id.in_(wanted[start : start + MAX_IDS_PER_QUERY]))
                known |= set(connection.execute(query).scalars())
        return known

    def postpone(self, delivery_id: str, error: str, until: datetime) -> None:
        """Have a delivery handled later without counting an attempt: the delivery did not cause the failure."""
        values = {"due": until.timestamp(), "error": error[:MAX_ERROR_LENGTH]}
        with self._database.transaction() as connection:
            connection.execute(INBOX.update().where(INBOX.c.id == delivery_id).values(values))

    def mark_failed(self, delivery_id: str, error: str, now: datetime) -> bool:
        """Count a failed attempt and postpone the next; return True if it was the last, so that the delivery is dead."""
        with self._database.transaction() as connection:
            tries = connection.execute(sa.select(INBOX.c.tries).where(INBOX.c.id == delivery_id)).scalar_one() + 1
            is_dead = bool(tries >= MAX_ATTEMPTS)
            due = (now + timedelta(seconds=2**tries)).timestamp()
            status = "dead" if is_dead else "new"
            values = {"tries": tries, "status": status, "due": due, "error": error[:MAX_ERROR_LENGTH]}
            connection.execute(INBOX.update().where(INBOX.c.id == delivery_id).values(values))
            return is_dead

    def entries(self, *status: str, limit: int = 100) -> list[InboxEntry]:
        """List deliveries by status (``new``, ``dead``, ``done``), the newest first, without payloads."""
        query = sa.select(*(column for column in INBOX.c if column.name != "payload"))
        query = query.where(INBOX.c.status.in_(status)).order_by(INBOX.c.number.desc()).limit(limit)
        with self._database.transaction() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def find(self, delivery_id: str) -> tuple[InboxEntry, bytes] | None:
        """Return a delivery whatever its status, with its payload; that of a handled delivery has been dropped."""
        query = sa.select(INBOX).where(INBOX.c.id == delivery_id)
        with self._database.transaction() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (_entry(row), row.payload)

    def retry_dead(self, delivery_ids: Sequence[str], now: datetime) -> int:
        """Have dead letters handled again; return how many there were."""
        dead = INBOX.c.id.in_(delivery_ids) & (INBOX.c.status == "dead")
        values = {"status": "new", "tries": 0, "due": now.timestamp()}
        with self._database.transaction() as connection:
            return int(connection.execute(INBOX.update().where(dead).values(values)).rowcount)

    def delete_done(self, before: datetime) -> int:
        """Delete handled deliveries received before a time; return how many there were."""
        old = (INBOX.c.status == "done") & (INBOX.c.received < before.timestamp())
        with self._database.transaction() as connection:
            return int(connection.execute(INBOX.delete().where(old)).rowcount)


_RUNS_OF_WORKFLOWS = sa.select(RUNS.c.repository, RUNS.c.id, RUNS.c.workflow_run).where(
    RUNS.c.workflow_run.in_(sa.bindparam("workflow_runs", expanding=True)), RUNS.c.state != END
)
"""The open runs of some workflow runs. Built once, since SQLAlchemy takes longer to build it than SQLite to answer it."""


def _wake_runs(connection: sa.Connection, deliveries: Sequence[Delivery]) -> set[tuple[str, int]]:
    """Have the open runs that deliveries are about looked at; return them as (repository, workflow run)."""
    about = {(delivery.repository, delivery.workflow_run) for delivery in deliveries}
    if not about:
        return set()
    rows = connection.execute(_RUNS_OF_WORKFLOWS, {"workflow_runs": [workflow_run for _, workflow_run in about]}).all()
    woken = [row for row in rows if (row.repository, row.workflow_run) in about]
    for row in woken:
        is_run = (RUNS.c.repository == row.repository) & (RUNS.c.id == row.id)
        connection.execute(RUNS.update().where(is_run).values(poked=True))
    return {(row.repository, row.workflow_run) for row in woken}


def _row_of(delivery: Delivery) -> dict[str, object]:
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
        "due": 0.0,  # immediately, even if the clock goes back
    }


def _entry(row: sa.Row[Any]) -> InboxEntry:
    received = datetime.fromtimestamp(row.received, UTC)
    return InboxEntry(row.id, row.event, row.action, row.repository, received, row.status, row.tries, row.error)


def _delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    return Delivery(
        id=row.id,
        event=row.event,
        action=row.action,
        repository=row.repository or None,
        installation=row.installation or None,
        payload=row.payload,
        received_at=datetime.fromtimestamp(row.received, UTC),
        holder=row.holder,
    )
