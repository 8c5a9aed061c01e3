"""Turns an executor's reports into stored jobs, logs and webhooks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from runners.local.act.interface import Conclusion
from runners.local.act.workflow_plan import PlannedJob
from runners.local.hub.actions.records import Runner, WorkflowJob, WorkflowRun
from runners.local.hub.permissions import Actor
from runners.local.hub.records import now
from runners.local.hub.rest import actions_shapes

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

MAX_SUMMARY = 1024 * 1024


def log_path(hub: Hub, job: WorkflowJob) -> Path:
    """Return the path of a job's log."""
    return hub.config.root / "logs" / str(job.run_id) / f"{job.id}.log"


def add_job(hub: Hub, run: WorkflowRun, planned: PlannedJob, *, queued: bool = True) -> WorkflowJob:
    """Store a job: ``queued`` if it may start now; a skipped job never was."""
    job = hub.store.table(WorkflowJob).add(
        WorkflowJob(
            run_id=run.id,
            repository_id=run.repository_id,
            key=planned.key,
            name=planned.name,
            labels=list(planned.labels),
        )
    )
    if queued:
        tell_job(hub, run, job, "queued")
    return job


def tell_run(hub: Hub, run: WorkflowRun, action: str) -> None:
    """Emit ``workflow_run``."""
    repository = hub.repositories.need(run.repository_id)
    workflow = actions_shapes.workflow_of(hub, run)
    hub.events.emit(
        "workflow_run",
        _actor(hub, run),
        action=action,
        repository=repository,
        workflow_run=actions_shapes.run(hub, run),
        workflow=workflow,
    )


def tell_job(hub: Hub, run: WorkflowRun, job: WorkflowJob, action: str) -> None:
    """Emit ``workflow_job``."""
    repository = hub.repositories.need(run.repository_id)
    hub.events.emit(
        "workflow_job",
        _actor(hub, run),
        action=action,
        repository=repository,
        workflow_job=actions_shapes.job(hub, run, job),
    )


def _actor(hub: Hub, run: WorkflowRun) -> Actor:
    return Actor("person", hub.users.need(run.actor_id))


class RunReport:
    """The ``Report`` of one run; only called from the run's thread."""

    def __init__(self, hub: Hub, run: WorkflowRun, runner: Runner, token: str) -> None:
        self._hub = hub
        self._run = run
        self._runner = runner
        self._token = token
        self._table = hub.store.table(WorkflowJob)
        self._jobs: dict[str, WorkflowJob] = {job.key: job for job in self._table.find(run_id=run.id)}
        self._logs: dict[str, TextIO] = {}
        self._lines: dict[str, int] = {}
        self._running: dict[str, PlannedJob] = {}

    # --- what executors call -----------------------------------------------------------------------------------------

    def job_started(self, job: PlannedJob) -> None:
        self._running[job.key] = job
        self._scope_token()
        self._change(
            self._stored(job),
            "in_progress",
            status="in_progress",
            started_at=now(),
            runner_id=self._runner.id,
            runner_name=self._runner.name,
        )

    def job_ended(self, job: PlannedJob, conclusion: Conclusion) -> None:
        self._running.pop(job.key, None)
        self._scope_token()
        stored = self._stored(job, queued=conclusion != "skipped")
        steps = [_finished(step, conclusion) for step in stored.steps]
        self._change(
            stored,
            "completed",
            status="completed",
            conclusion=conclusion,
            started_at=stored.started_at or now(),
            completed_at=now(),
            steps=steps,
        )
        if log := self._logs.pop(job.key, None):
            log.close()

    def step_started(self, job: PlannedJob, name: str) -> None:
        stored = self._stored(job)
        step = {
            "name": name[:500],
            "status": "in_progress",
            "conclusion": None,
            "number": len(stored.steps) + 1,
            "started_at": now(),
            "completed_at": None,
            "first_line": self._lines.get(job.key, 0),
        }
        self._change(stored, None, steps=[*stored.steps, step])

    def step_ended(self, job: PlannedJob, name: str, conclusion: Conclusion) -> None:
        stored = self._stored(job)
        place = _last_open(stored.steps, name[:500])
        if place is not None:
            steps = list(stored.steps)
            steps[place] = _finished(steps[place], conclusion)
            self._change(stored, None, steps=steps)

    def line(self, job: PlannedJob, text: str) -> None:
        log = self._logs.get(job.key) or self._open(job)
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        log.write(f"{at} {text.replace(self._token, '***')}\n")
        log.flush()
        self._lines[job.key] = self._lines.get(job.key, 0) + 1

    def summary(self, job: PlannedJob, markdown: str) -> None:
        stored = self._stored(job)
        text = (stored.summary + "\n" + markdown.replace(self._token, "***")).strip()[:MAX_SUMMARY]
        self._change(stored, None, summary=text)

    # --- what the hub calls ------------------------------------------------------------------------------------------

    def finish(self, conclusion: Conclusion, problem: str | None) -> list[WorkflowJob]:
        """End every stored job that has not ended, and return all jobs."""
        for stored in list(self._jobs.values()):
            if stored.status != "completed":
                job = _as_planned(stored)
                if problem:
                    self.line(job, f"##[error]{problem}")
                self.job_ended(job, conclusion)
        for log in self._logs.values():
            log.close()
        return list(self._jobs.values())

    # --- inside ------------------------------------------------------------------------------------------------------

    def _stored(self, job: PlannedJob, *, queued: bool = True) -> WorkflowJob:
        if job.key not in self._jobs:
            self._jobs[job.key] = add_job(self._hub, self._run, job, queued=queued)
        return self._jobs[job.key]

    def _change(self, job: WorkflowJob, action: str | None, **changes: Any) -> None:
        with self._hub.store.transaction():
            changed = replace(job, **changes)
            self._table.save(changed)
            if action:
                tell_job(self._hub, self._run, changed, action)
        self._jobs[job.key] = changed

    def _open(self, job: PlannedJob) -> TextIO:
        path = log_path(self._hub, self._stored(job))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._logs[job.key] = path.open("a", encoding="utf-8")
        return self._logs[job.key]

    def _scope_token(self) -> None:
        """Grant the token the permissions of the running jobs, otherwise read only: act has one token for all jobs."""
        granted = {"contents": "read"}
        for job in self._running.values():
            for name, level in job.permissions.items():
                key = name.replace("-", "_")
                granted[key] = max(level, granted.get(key, "none"), key=("none", "read", "write").index)
        self._hub.auth.change_job_token(self._token, granted)


def _as_planned(job: WorkflowJob) -> PlannedJob:
    return PlannedJob(
        key=job.key, name=job.name, needs=(), labels=tuple(job.labels), timeout_minutes=0, permissions={}, steps={}
    )


def _finished(step: dict[str, Any], conclusion: str) -> dict[str, Any]:
    if step["status"] == "completed":
        return step
    return {**step, "status": "completed", "conclusion": conclusion, "completed_at": now()}


def _last_open(steps: list[dict[str, Any]], name: str) -> int | None:
    places = [place for place, step in enumerate(steps) if step["name"] == name and step["status"] != "completed"]
    return places[-1] if places else None
