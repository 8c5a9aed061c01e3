"""What the lines that are being logged are about: a run, or the issue of a delivery.

Kept in a context variable, so each of the worker's tasks has its own, and the threads that it starts see it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from bot.runs.machine import Run


@dataclass(frozen=True)
class Subject:
    """The ids that every line carries; None where there is none."""

    repository: str | None = None
    execution_id: str | None = None
    issue_number: int | None = None
    training_job_name: str | None = None


_SUBJECT = ContextVar[Subject]("subject")


def subject() -> Subject:
    """Return what this task's lines are about."""
    return _SUBJECT.get(Subject())


def about_run(run: Run | None) -> None:
    """Have this task's lines carry a run's ids from now on; without a run nothing changes."""
    if run is None:
        return
    title = run.dispatch.title if run.dispatch else None
    _SUBJECT.set(Subject(run.repository, run.id, run.issue, title))


def about_issue(repository: str | None, number: int | None) -> None:
    """Have this task's lines carry a repository and an issue's number from now on, and no run."""
    _SUBJECT.set(Subject(repository, issue_number=number))
