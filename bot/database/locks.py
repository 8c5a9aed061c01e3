"""The models' locks: one run at a time may train a model; the others queue for it by number.

Every method is one transaction and may block for some milliseconds, so asynchronous callers run it in a thread.
"""

from __future__ import annotations

import sqlalchemy as sa

from bot.database.engine import Database
from bot.database.tables import LOCKS, RUNS
from bot.runs.machine import END
from bot.runs.machines import states_where
from bot.runs.run import Run

_IS_QUEUED = RUNS.c.state.in_(states_where(lambda spec: spec.waits_for == "lock"))


class ModelLocks:
    """The locks of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, run: Run) -> str:
        """Take the lock of the run's model if it is free and no older run waits for it; return the owner's run id."""
        key = {"repository": run.repository, "model": run.model}
        ended = sa.select(RUNS.c.id).where(RUNS.c.repository == run.repository, RUNS.c.state == END)
        with self._database.transaction() as connection:
            connection.execute(LOCKS.delete().filter_by(**key).where(LOCKS.c.run.in_(ended)))
            owner = connection.execute(sa.select(LOCKS.c.run).filter_by(**key)).scalar_one_or_none()
            if owner is not None:
                return str(owner)
            next_in_line = connection.execute(
                sa.select(RUNS.c.id)
                .where(RUNS.c.repository == run.repository, RUNS.c.model == run.model, _IS_QUEUED)
                .order_by(RUNS.c.number)
                .limit(1)
            ).scalar_one_or_none()
            if next_in_line is not None and next_in_line != run.id:
                return str(next_in_line)
            # Another replica may have been quicker, so the owner is read back.
            connection.execute(self._database.insert(LOCKS).values(run=run.id, **key).on_conflict_do_nothing())
            return str(connection.execute(sa.select(LOCKS.c.run).filter_by(**key)).scalar_one())

    def release(self, run: Run) -> None:
        """Release whatever the run has locked, and have the queued runs looked at."""
        is_waiting = (RUNS.c.repository == run.repository) & _IS_QUEUED & (RUNS.c.id != run.id)
        with self._database.transaction() as connection:
            connection.execute(LOCKS.delete().where(LOCKS.c.repository == run.repository, LOCKS.c.run == run.id))
            connection.execute(RUNS.update().where(is_waiting).values(poked=True))

    def owner(self, repository: str, model: str) -> str | None:
        """Return the id of the run that holds a model's lock."""
        query = sa.select(LOCKS.c.run).filter_by(repository=repository, model=model)
        with self._database.transaction() as connection:
            return connection.execute(query).scalar_one_or_none()

    def free_orphaned(self) -> list[tuple[str, str]]:
        """Free the locks that no open run holds, have the queued runs looked at; return the (repository, model) freed."""
        is_held = sa.exists().where(
            RUNS.c.repository == LOCKS.c.repository, RUNS.c.id == LOCKS.c.run, RUNS.c.state != END
        )
        with self._database.transaction() as connection:
            freed = [(row.repository, row.model) for row in connection.execute(sa.select(LOCKS).where(~is_held))]
            connection.execute(LOCKS.delete().where(~is_held))
            connection.execute(RUNS.update().where(_IS_QUEUED).values(poked=True))
        return freed
