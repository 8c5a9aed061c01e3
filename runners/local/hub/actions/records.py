"""What the hub stores about workflows and their runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from runners.local.hub.records import now
from runners.local.hub.store import Record

Status = Literal["queued", "in_progress", "completed"]


@dataclass(frozen=True, kw_only=True)
class Workflow(Record, table="workflow", indexed=("repository_id", "path"), first_id=15_000_001):
    """A workflow file seen on the default branch; it keeps its id."""

    repository_id: int
    path: str
    name: str
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class WorkflowRun(
    Record, table="workflow_run", indexed=("repository_id", "workflow_id", "status"), first_id=9_000_000_001
):
    """One run of a workflow."""

    repository_id: int
    workflow_id: int
    path: str
    workflow_name: str
    run_number: int
    title: str
    event: str
    branch: str
    sha: str
    actor_id: int
    inputs: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    """The labels a runner must have: those of all its jobs."""
    status: Status = "queued"
    conclusion: str | None = None
    problem: str | None = None
    """Why it could not be executed, if so."""
    runner_id: int | None = None
    created_at: str = field(default_factory=now)
    started_at: str | None = None
    updated_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class WorkflowJob(Record, table="workflow_job", indexed=("run_id", "key"), first_id=40_000_000_001):
    """One job of a run, stored when it is queued; as on GitHub, jobs that wait for others do not exist yet."""

    run_id: int
    repository_id: int
    key: str
    name: str
    labels: list[str] = field(default_factory=list)
    status: Status = "queued"
    conclusion: str | None = None
    runner_id: int | None = None
    runner_name: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    summary: str = ""
    created_at: str = field(default_factory=now)
    started_at: str | None = None
    completed_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Runner(Record, table="runner", indexed=("name",), first_id=21):
    """A self-hosted runner: one run at a time."""

    name: str
    labels: list[str] = field(default_factory=list)
    run_id: int | None = None
    """The run that it executes."""
