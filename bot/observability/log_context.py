"""The run, or the delivery's issue, that log lines are about.

Held in a context variable: each of the worker's tasks has its own, and passes it to the threads that it starts.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass

from bot.runs.run import Run


@dataclass(frozen=True)
class Subject:
    """The ids that are added to every line; None if there is none."""

    repository: str | None = None
    execution_id: str | None = None
    issue_number: int | None = None
    training_job_name: str | None = None


_SUBJECT = ContextVar[Subject]("subject")


def subject() -> Subject:
    """Return what this task's log lines are about."""
    return _SUBJECT.get(Subject())


def about_run(run: Run | None) -> None:
    """Add a run's ids to this task's log lines from now on; without a run nothing changes."""
    if run is None:
        return
    title = run.dispatch.title if run.dispatch else None
    _SUBJECT.set(Subject(run.repository, run.id, run.issue, title))


def about_issue(repository: str | None, number: int | None) -> None:
    """Add a repository and an issue's number, and no run, to this task's log lines from now on."""
    _SUBJECT.set(Subject(repository, issue_number=number))


def measured(began: float, status: str) -> dict[str, object]:
    """Return a log line's fields for something that began at a time of ``time.monotonic``."""
    return {"duration_ms": round((time.monotonic() - began) * 1_000), "status": status}
