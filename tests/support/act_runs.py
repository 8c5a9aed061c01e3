"""Runs small workflows with act, without a hub."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.local.act.executor import ActExecutor
from runners.local.act.interface import Conclusion, Work
from runners.local.act.workflow_plan import PlannedJob, load, plan
from tests.support.repositories import git, repository

TOKEN = "ghs_tokenThatNobodyMaySee"
PATH = ".github/workflows/test.yml"


@dataclass
class Recorded:
    """A ``Report`` that keeps what it is told."""

    jobs: dict[str, Conclusion] = field(default_factory=dict)
    steps: dict[str, Conclusion] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    on_line: Callable[[str], None] = lambda _: None

    def job_started(self, job: PlannedJob) -> None:
        self.started.append(job.name)

    def job_ended(self, job: PlannedJob, conclusion: Conclusion) -> None:
        self.jobs[job.name] = conclusion

    def step_started(self, job: PlannedJob, name: str) -> None:
        """Steps count when they end."""

    def step_ended(self, job: PlannedJob, name: str, conclusion: Conclusion) -> None:
        self.steps[name] = conclusion

    def line(self, job: PlannedJob, text: str) -> None:
        self.lines.append(text)
        self.on_line(text)

    def summary(self, job: PlannedJob, markdown: str) -> None:
        self.summaries.append(markdown)

    @property
    def log(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Ran:
    """A run that is over."""

    report: Recorded
    seconds: float
    folder: Path
    cancelled: bool


def run(
    root: Path,
    workflow: str,
    *,
    inputs: dict[str, str] | None = None,
    labels: tuple[str, ...] = ("self-hosted",),
    cancel_at: str | None = None,
    cancelled: bool = False,
    files: dict[str, str] | None = None,
    **changes: Any,
) -> Ran:
    """Run a workflow file with act.

    Parameters
    ----------
    cancel_at
        Cancels when this line is said; ``cancelled`` does so before anything begins.
    files
        More files of the repository, by path.
    """
    source = repository(root / "source", **{PATH: workflow, **(files or {})})
    report, cancel = Recorded(), threading.Event()
    report.on_line = lambda text: cancel.set() if text == cancel_at else None
    if cancelled:
        cancel.set()
    planned = plan(load(workflow), {"inputs": inputs or {}, "github": {}}, lambda *_: None)
    values: dict[str, Any] = {
        "run_id": 7,
        "run_number": 3,
        "repository": "owner/demo",
        "git_folder": source,
        "branch": "main",
        "sha": git(source, "rev-parse", "HEAD"),
        "workflow_path": PATH,
        "inputs": inputs or {},
        "actor": "writer",
        "jobs": planned,
        "labels": labels,
        "runner": "laptop",
        "token": TOKEN,
        "server_url": "http://127.0.0.1:9",
        "api_url": "http://127.0.0.1:9/api/v3",
        "event": {"inputs": inputs or {}},
    }
    begun = time.monotonic()
    ActExecutor(root / "work").execute(Work(**{**values, **changes}), report, cancel)
    return Ran(report, time.monotonic() - begun, root / "work", cancel.is_set())
