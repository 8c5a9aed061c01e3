"""What the hub and those who execute its workflow runs say to each other."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from runners.local.act.workflow_plan import PlannedJob

Conclusion = Literal["success", "failure", "cancelled", "skipped"]
"""How a job or step ended. As on GitHub, a job that took too long is ``cancelled``; its log says that it timed out."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """One workflow run, with everything that its execution needs."""

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
    """Those of the runner that does the work."""
    runner: str
    token: str
    server_url: str
    api_url: str
    event: Mapping[str, object]
    """The event's payload, as jobs see it."""


class Report(Protocol):
    """Is told what happens, in order. ``job`` is a planned one, or one like it for each leg of a matrix."""

    def job_started(self, job: PlannedJob) -> None: ...

    def job_ended(self, job: PlannedJob, conclusion: Conclusion) -> None: ...

    def step_started(self, job: PlannedJob, name: str) -> None: ...

    def step_ended(self, job: PlannedJob, name: str, conclusion: Conclusion) -> None: ...

    def line(self, job: PlannedJob, text: str) -> None:
        """Take one line of a job's log, without secrets."""

    def summary(self, job: PlannedJob, markdown: str) -> None:
        """Take what a step wrote to its summary."""


class Executor(Protocol):
    """Executes workflow runs; called from a thread for each."""

    def execute(self, work: Work, report: Report, cancelled: threading.Event) -> None:
        """Do the work, report it, and return when nothing of it runs any more.

        Raises
        ------
        ExecutionError
            Where it could not be done at all.
        """


class ExecutionError(Exception):
    """A run could not be executed; the text is for the person who started it."""
