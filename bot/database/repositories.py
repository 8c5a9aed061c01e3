"""The repositories of a database, known by GitHub's ids: a name can pass to another repository, an id cannot.

Every method is one transaction and may block for some milliseconds, so asynchronous callers run it in a thread.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from bot.database.engine import Database
from bot.database.runs import move_runs
from bot.database.tables import COUNTERS, LOCKS, REPOSITORIES
from bot.runs.run import Run


def name_of_replaced(name: str, repository_id: int) -> str:
    """Return the name under which a repository that lost its name is kept: GitHub allows none that ends like this."""
    return f"{name.partition('/')[0]}/{repository_id}.git"


class Repositories:
    """Which repository has which name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def matches(self, repository_id: int, name: str) -> bool:
        """Return whether this id has this name; a pair is recorded if neither was known."""
        with self._database.transaction() as connection:
            known = [(row.id, row.name) for row in connection.execute(_either(repository_id, name))]
            if not known:
                pair = self._database.insert(REPOSITORIES).values(id=repository_id, name=name)
                connection.execute(pair.on_conflict_do_nothing())
        return known in ([], [(repository_id, name)])

    def holder(self, name: str) -> int | None:
        """Return the id of the repository that is known to have a name."""
        query = sa.select(REPOSITORIES.c.id).where(REPOSITORIES.c.name == name)
        with self._database.transaction() as connection:
            return connection.execute(query).scalar_one_or_none()

    def record(
        self, repository_id: int, name: str, *, replaced: Callable[[Run], Run], renamed: Callable[[Run], Run]
    ) -> None:
        """Record that a repository has a name from now on.

        Parameters
        ----------
        repository_id, name
            GitHub's id, and ``owner/name``.
        replaced
            Changes the open runs of another repository that had this name. They are kept under a name of their own.
        renamed
            Changes the open runs that this repository had under its previous name. They are kept under the new one.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(_either(repository_id, name).with_for_update()).all()
            names = {row.id: row.name for row in rows}
            previous = next((known for known, its_name in names.items() if its_name == name), None)
            if previous is not None and previous != repository_id:
                # The counter stays: run ids are folders in the storage, and must not be used again.
                connection.execute(LOCKS.delete().where(LOCKS.c.repository == name))
                self._rename(connection, previous, name, name_of_replaced(name, previous), replaced)
            old_name = names.get(repository_id)
            if old_name is None:
                connection.execute(REPOSITORIES.insert().values(id=repository_id, name=name))
            elif old_name != name:
                connection.execute(LOCKS.update().where(LOCKS.c.repository == old_name).values(repository=name))
                self._move_counter(connection, old_name, name)
                self._rename(connection, repository_id, old_name, name, renamed)

    def _rename(
        self, connection: sa.Connection, repository_id: int, old: str, new: str, change: Callable[[Run], Run]
    ) -> None:
        connection.execute(REPOSITORIES.update().where(REPOSITORIES.c.id == repository_id).values(name=new))
        move_runs(connection, old, new, change)

    def _move_counter(self, connection: sa.Connection, old: str, new: str) -> None:
        counters = sa.select(sa.func.max(COUNTERS.c.last_run)).where(COUNTERS.c.repository.in_((old, new)))
        last = connection.execute(counters).scalar_one()
        if last is not None:
            connection.execute(COUNTERS.delete().where(COUNTERS.c.repository == new))
            connection.execute(COUNTERS.insert().values(repository=new, last_run=last))


def _either(repository_id: int, name: str) -> sa.Select[tuple[int, str]]:
    return sa.select(REPOSITORIES).where((REPOSITORIES.c.id == repository_id) | (REPOSITORIES.c.name == name))
