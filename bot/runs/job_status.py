"""The status of a stage, from GitHub's jobs and the stage's heartbeat (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from actions.contracts.results import Heartbeat
from bot.github import Job, Runner
from bot.runs.run import HeartbeatObservation, JobObservation
from bot.runs.view import Unclaimed

JobStatus = Literal["absent", "waiting", "running", "overdue", "ok", "error", "timed out", "stopped"]
"""``overdue``: still running after its time limit. ``stopped``: cancelled before its time limit."""

GRACE = timedelta(seconds=30)
"""GitHub enforces the time limit itself; the App cancels the job only if it is still running this much later."""


def observe_job(before: JobObservation | None, job: Job | None, now: datetime) -> JobObservation | None:
    """Return what is now known about a job. Times are the App's own, since GitHub's clock may differ."""
    if job is None or job.status == "completed":
        return None
    running = job.status == "in_progress"
    if before is not None and (before.job, before.running) == (job.id, running):
        return before
    return JobObservation(job=job.id, running=running, since=now)


def job_status(job: Job | None, limit: timedelta, observed_job: JobObservation | None, now: datetime) -> JobStatus:
    """Return the status of a stage's job.

    Parameters
    ----------
    job
        The stage's job, if its workflow run has reached it.
    limit
        The stage's time limit.
    observed_job
        Since when the App has seen this job in its present status.
    """
    if job is None:
        return "absent"
    if job.status == "completed":
        return _concluded(job, limit)
    if observed_job is None or not observed_job.running:
        return "waiting"
    return "overdue" if now - observed_job.since > limit + GRACE else "running"


def observe_heartbeat(
    before: HeartbeatObservation | None, heartbeat: Heartbeat | None, now: datetime
) -> HeartbeatObservation | None:
    """Return what is now known about a heartbeat. Times are the App's own, since the runner's clock may be wrong."""
    if heartbeat is None:
        return None
    if before is not None and before.at == heartbeat.at:
        return before
    return HeartbeatObservation(at=heartbeat.at, seen_at=now)


def is_lost(observed_heartbeat: HeartbeatObservation | None, limit: timedelta, now: datetime) -> bool:
    """Tell whether a stage's heartbeat has stopped for longer than the limit. A stage without any does not count."""
    return observed_heartbeat is not None and now - observed_heartbeat.seen_at > limit


def queued_for(observed_job: JobObservation | None, now: datetime) -> timedelta:
    """Return how long a job has been waiting for a runner; zero if it does not wait."""
    return timedelta(0) if observed_job is None or observed_job.running else now - observed_job.since


def unclaimed(labels: Sequence[str], runners: Sequence[Runner] | None) -> Unclaimed:
    """Return why no runner takes a job with these labels; ``runners`` is None if the App may not list them."""
    if runners is None:
        return Unclaimed(tuple(labels), "unknown")
    wanted = {label.lower() for label in labels}
    matching = [runner for runner in runners if runner.online and wanted <= {label.lower() for label in runner.labels}]
    if not matching:
        return Unclaimed(tuple(labels), "none")
    return Unclaimed(tuple(labels), "busy" if all(runner.busy for runner in matching) else "unknown")


def find(jobs: Sequence[Job], name: str) -> Job | None:
    """Return the job of that name, if there is one."""
    return next((job for job in jobs if job.name == name), None)


def _concluded(job: Job, limit: timedelta) -> JobStatus:
    if job.conclusion == "success":
        return "ok"
    if job.conclusion == "cancelled" and job.started_at is not None and job.completed_at is not None:
        # GitHub also reports `cancelled` for a job that it ended at its time limit.
        return "timed out" if job.completed_at - job.started_at >= limit else "stopped"
    # Only stages that were meant to run are watched, so a skipped one belongs to a cancelled workflow run.
    return "stopped" if job.conclusion in ("cancelled", "skipped") else "error"
