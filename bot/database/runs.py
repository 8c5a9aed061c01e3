"""The runs of a database, and the counters that number them.

Every method is one transaction and may block for some milliseconds, so asynchronous callers run it in a thread. All of
them are safe with several replicas on one database.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from pydantic import ValidationError

from bot.database.engine import Database
from bot.database.tables import COUNTERS, LOCKS, RUNS
from bot.runs.machine import END
from bot.runs.run import Run


class StaleRunError(Exception):
    """The run was saved by someone else in the meantime: read it again, then decide again."""


class UnreadableRunError(Exception):
    """A run's row cannot be read: it is damaged, or another version of Modelyard wrote it."""


class RunStore:
    """The runs of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, make: Callable[[int], Run]) -> Run:
        """Number and store a new run, unless its issue has an open one: then return that.

        ``make`` gets the run's number. It is called inside the transaction, so it must not do I/O.
        """
        with self._database.transaction() as connection:
            draft = make(1)
            start = self._database.insert(COUNTERS).values(repository=draft.repository, last_run=0)
            connection.execute(start.on_conflict_do_nothing())
            # The counter's row is locked: another run of the same repository waits here until this one is stored, so
            # that neither a number nor an issue gets two runs.
            counter = COUNTERS.c.repository == draft.repository
            last = connection.execute(sa.select(COUNTERS.c.last_run).where(counter).with_for_update()).scalar_one()
            known = _latest_of_issue(connection, draft.repository, draft.issue)
            if known is not None and not known.ended:
                return known
            connection.execute(COUNTERS.update().where(counter).values(last_run=last + 1))
            run = make(last + 1)
            connection.execute(RUNS.insert().values(_row_of(run)))
            return run

    def has_counter(self, repository: str) -> bool:
        """Tell whether the repository's runs are being counted."""
        query = sa.select(COUNTERS.c.last_run).where(COUNTERS.c.repository == repository)
        with self._database.transaction() as connection:
            return connection.execute(query).one_or_none() is not None

    def start_counter(self, repository: str, last: int) -> None:
        """Begin to count a repository's runs after the last known one."""
        first = self._database.insert(COUNTERS).values(repository=repository, last_run=last).on_conflict_do_nothing()
        with self._database.transaction() as connection:
            connection.execute(first)

    def restore(self, run: Run) -> bool:
        """Store a run that a lost database held, with its lock; return False if its issue or its id has a run already."""
        lock = {"repository": run.repository, "model": run.model, "run": run.id}
        known = (RUNS.c.issue == run.issue) | (RUNS.c.id == run.id)
        with self._database.transaction() as connection:
            if connection.execute(sa.select(RUNS.c.id).where(RUNS.c.repository == run.repository, known)).first():
                return False
            # If another replica restores the run at this moment, one of the two inserts does nothing.
            connection.execute(self._database.insert(RUNS).values(_row_of(run)).on_conflict_do_nothing())
            if run.spec.stage is not None:  # its job may be running: nobody else may get the model
                connection.execute(self._database.insert(LOCKS).values(lock).on_conflict_do_nothing())
        return True

    def save(self, run: Run) -> Run:
        """Replace a stored run; return it with its new row version.

        Raises
        ------
        StaleRunError
            The stored run is not the one that ``run`` was made from.
        """
        saved = run.replace(row_version=run.row_version + 1)
        is_unchanged = _is(run.repository, run.id) & (RUNS.c.row_version == run.row_version)
        with self._database.transaction() as connection:
            if connection.execute(RUNS.update().where(is_unchanged).values(_row_of(saved))).rowcount != 1:
                raise StaleRunError(run.id)
        return saved

    def change(self, run: Run, change: Callable[[Run], Run]) -> Run:
        """Apply a pure change to the run as it is stored now, however often someone else saves it first."""
        while True:
            try:
                return self.save(change(self.get(run.repository, run.id)))
            except StaleRunError:
                continue

    def get(self, repository: str, run_id: str) -> Run:
        query = sa.select(RUNS.c.document).where(_is(repository, run_id))
        with self._database.transaction() as connection:
            run = read_run(connection.execute(query).scalar_one())
        if run is None:
            raise UnreadableRunError(f"{run_id} of {repository}")
        return run

    def of_issue(self, repository: str, issue: int) -> Run | None:
        """Return the issue's latest run, open or ended; None if it is unreadable."""
        with self._database.transaction() as connection:
            return _latest_of_issue(connection, repository, issue)

    def wake(self, run: Run) -> None:
        """Have a run looked at."""
        with self._database.transaction() as connection:
            connection.execute(RUNS.update().where(_is(run.repository, run.id)).values(poked=True))

    def issues(self, repository: str) -> set[int]:
        """Return the issues that ever had a run."""
        query = sa.select(RUNS.c.issue).where(RUNS.c.repository == repository)
        with self._database.transaction() as connection:
            return set(connection.execute(query).scalars())

    def open_runs(self, repository: str | None = None) -> list[Run]:
        """Return the readable runs that have not ended, of one repository or of all, by number."""
        query = sa.select(RUNS.c.document).where(RUNS.c.state != END).order_by(RUNS.c.number)
        if repository is not None:
            query = query.where(RUNS.c.repository == repository)
        with self._database.transaction() as connection:
            found = [read_run(document) for document in connection.execute(query).scalars()]
        return [run for run in found if run is not None]

    def wake_unreadable(self) -> None:
        """Have the open runs looked at whose rows cannot be read, so that they end."""
        query = sa.select(RUNS.c.repository, RUNS.c.id, RUNS.c.document).where(RUNS.c.state != END)
        with self._database.transaction() as connection:
            for row in connection.execute(query).all():
                if read_run(row.document) is None:
                    connection.execute(RUNS.update().where(_is(row.repository, row.id)).values(poked=True))

    def document(self, repository: str, run_id: str) -> tuple[int, str]:
        """Return a run's issue, and its row's document as it is stored."""
        query = sa.select(RUNS.c.issue, RUNS.c.document).where(_is(repository, run_id))
        with self._database.transaction() as connection:
            row = connection.execute(query).one()
        return int(row.issue), str(row.document)

    def postpone(self, repository: str, run_id: str, due: datetime) -> None:
        """Have a run whose row cannot be read looked at later."""
        with self._database.transaction() as connection:
            changes = {"due": due.timestamp(), "poked": False}
            connection.execute(RUNS.update().where(_is(repository, run_id)).values(changes))

    def end_unreadable(self, repository: str, run_id: str) -> None:
        """End a run whose row cannot be read, and release its lock. The document stays as it is, for whoever looks."""
        with self._database.transaction() as connection:
            ended = {"state": END, "due": None, "poked": False}
            connection.execute(RUNS.update().where(_is(repository, run_id)).values(ended))
            connection.execute(LOCKS.delete().where(LOCKS.c.repository == repository, LOCKS.c.run == run_id))


def read_run(document: str) -> Run | None:
    """Return the run in a row's document; None if it cannot be read."""
    try:
        return Run.model_validate_json(document)
    except ValidationError:
        return None


def move_runs(connection: sa.Connection, old: str, new: str, change: Callable[[Run], Run]) -> None:
    """Give the runs of a repository to another name; ``change`` is applied to those that have not ended."""
    for row in connection.execute(sa.select(RUNS).where(RUNS.c.repository == old).with_for_update()).all():
        run = read_run(row.document)
        if run is None:
            connection.execute(RUNS.update().where(_is(old, row.id)).values(repository=new))
            continue
        run = run.replace(repository=new, row_version=row.row_version + 1)
        moved = run if run.ended else change(run)
        connection.execute(RUNS.update().where(_is(old, row.id)).values(_row_of(moved)))


def _is(repository: str, run_id: str) -> sa.ColumnElement[bool]:
    return (RUNS.c.repository == repository) & (RUNS.c.id == run_id)


def _latest_of_issue(connection: sa.Connection, repository: str, issue: int) -> Run | None:
    query = (
        sa.select(RUNS.c.document)
        .where(RUNS.c.repository == repository, RUNS.c.issue == issue)
        .order_by(RUNS.c.number.desc())
        .limit(1)
    )
    document = connection.execute(query).scalar_one_or_none()
    return None if document is None else read_run(document)


def _row_of(run: Run) -> dict[str, object]:
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
