"""What GitHub's jobs say about one stage (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from actions.contracts.results import Heartbeat
from bot.github import Job, Runner
from bot.runs.run import HeartbeatObservation, JobObservation
from bot.runs.view import Unclaimed

JobStatus = Literal["absent", "waiting", "running", "overdue", "ok", "error", "timed out", "stopped"]
"""``overdue``: running beyond its time-out. ``stopped``: somebody cancelled it before its time was over."""

GRACE = timedelta(seconds=30)
"""GitHub ends a job at its time-out itself; the App steps in so much later."""


def observe_job(before: JobObservation | None, job: Job | None, now: datetime) -> JobObservation | None:
    """Return what was observed of a job after a look at it; clocks are not compared, as GitHub's may differ."""
    if job is None or job.status == "completed":
        return None
    running = job.status == "in_progress"
    if before is not None and (before.job, before.running) == (job.id, running):
        return before
    return JobObservation(job=job.id, running=running, since=now)


def job_status(job: Job | None, limit: timedelta, observed_job: JobObservation | None, now: datetime) -> JobStatus:
    """Tell how a stage's job stands.

    Parameters
    ----------
    job
        The stage's job, if its workflow run has come to it.
    limit
        The stage's time-out.
    observed_job
        Since when the App has seen the job so.
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
    """Return what was observed of the heartbeat after a look at it; clocks are not compared, as the runner's may be wrong."""
    if heartbeat is None:
        return None
    if before is not None and before.at == heartbeat.at:
        return before
    return HeartbeatObservation(at=heartbeat.at, seen_at=now)


def is_lost(observed_heartbeat: HeartbeatObservation | None, limit: timedelta, now: datetime) -> bool:
    """Tell whether a stage that gave signs of life has given none for too long."""
    return observed_heartbeat is not None and now - observed_heartbeat.seen_at > limit


def queued_for(observed_job: JobObservation | None, now: datetime) -> timedelta:
    """Return how long the App has seen a job wait for a runner; nothing where it does not wait."""
    return timedelta(0) if observed_job is None or observed_job.running else now - observed_job.since


def unclaimed(labels: Sequence[str], runners: Sequence[Runner] | None) -> Unclaimed:
    """Say why no runner takes a job with these labels; ``runners`` is None where they could not be asked about."""
    if runners is None:
        return Unclaimed(tuple(labels), "unknown")
    wanted = {label.lower() for label in labels}
    fitting = [one for one in runners if one.online and wanted <= {label.lower() for label in one.labels}]
    if not fitting:
        return Unclaimed(tuple(labels), "none")
    return Unclaimed(tuple(labels), "busy" if all(one.busy for one in fitting) else "unknown")


def find(jobs: Sequence[Job], name: str) -> Job | None:
    """Return the job of that name, if there is one."""
    return next((job for job in jobs if job.name == name), None)


def _concluded(job: Job, limit: timedelta) -> JobStatus:
    if job.conclusion == "success":
        return "ok"
    if job.conclusion == "cancelled" and job.started_at is not None and job.completed_at is not None:
        # A job that GitHub ended at its time-out reads `cancelled` as well.
        return "timed out" if job.completed_at - job.started_at >= limit else "stopped"
    # A stage that is looked at was to run: skipped, it fell to a cancelled workflow run.
    return "stopped" if job.conclusion in ("cancelled", "skipped") else "error"
