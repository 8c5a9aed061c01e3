"""The contract between the hub and what executes its workflow runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from runners.local.act.workflow_plan import PlannedJob

Conclusion = Literal["success", "failure", "cancelled", "skipped"]
"""How a job or step ended. As on GitHub, a job that timed out is ``cancelled``; its log mentions the time-out."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """One workflow run with everything needed to execute it."""

    run_id: int
    run_number: int
    repository: str
    git_folder: Path
    """The bare repository."""
    branch: str
    sha: str
    workflow_path: str
    inputs: Mapping[str, str]
    actor: str
    jobs: tuple[PlannedJob, ...]
    labels: tuple[str, ...]
    """Labels of the runner."""
    runner: str
    token: str
    server_url: str
    api_url: str
    event: Mapping[str, object]
    """The event payload as jobs see it."""


class Report(Protocol):
    """Receives what happens, in order. ``job`` is a planned job, or a copy of one for each matrix leg."""

    def job_started(self, job: PlannedJob) -> None: ...

    def job_ended(self, job: PlannedJob, conclusion: Conclusion) -> None: ...

    def step_started(self, job: PlannedJob, name: str) -> None: ...

    def step_ended(self, job: PlannedJob, name: str, conclusion: Conclusion) -> None: ...

    def line(self, job: PlannedJob, text: str) -> None:
        """Receive one line of a job's log, with secrets masked."""

    def summary(self, job: PlannedJob, markdown: str) -> None:
        """Receive a step's summary."""


class Executor(Protocol):
    """Executes workflow runs; each call has its own thread."""

    def execute(self, work: Work, report: Report, cancelled: threading.Event) -> None:
        """Execute the run, report on it, and return when none of its processes is left.

        Raises
        ------
        ExecutionError
            If the run could not be executed at all.
        """


class ExecutionError(Exception):
    """The run could not be executed; the message is for the person who started it."""
