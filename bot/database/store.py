"""The App's database, opened: what it must not forget."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from bot.database.engine import Database
from bot.database.inbox import Inbox
from bot.database.locks import ModelLocks
from bot.database.repositories import Repositories
from bot.database.runs import RunStore
from bot.database.tables import COUNTERS, INBOX, RUNS
from bot.runs.machine import END


class Store:
    """The inbox, the runs, the models' locks and the repositories of one database.

    Parameters
    ----------
    url
        The database's address; see ``Database``.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.inbox = Inbox(self.database)
        self.runs = RunStore(self.database)
        self.locks = ModelLocks(self.database)
        self.repositories = Repositories(self.database)

    def close(self) -> None:
        self.database.close()

    def next_due(self) -> datetime | None:
        """Return when the next run or delivery is due, if any waits."""
        due = sa.case((RUNS.c.poked, 0.0), else_=RUNS.c.due)
        runs = sa.select(sa.func.min(due)).where(RUNS.c.state != END)
        deliveries = sa.select(sa.func.min(INBOX.c.due)).where(INBOX.c.status == "new")
        with self.database.transaction() as connection:
            times = [connection.execute(query).scalar_one_or_none() for query in (runs, deliveries)]
        known = [time for time in times if time is not None]
        return datetime.fromtimestamp(min(known), UTC) if known else None

    def check(self) -> None:
        """Raise if the database does not answer."""
        with self.database.transaction() as connection:
            connection.execute(sa.select(sa.func.count()).select_from(COUNTERS))
