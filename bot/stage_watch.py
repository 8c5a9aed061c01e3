"""What GitHub's jobs say about one stage (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from actions.results import Heartbeat
from bot.github import Job, Runner
from bot.pipeline import Pulse
from bot.run_view import Unclaimed

Seen = Literal["absent", "waiting", "running", "overdue", "ok", "error", "timed out", "stopped"]
"""``overdue``: running beyond its time-out. ``stopped``: somebody cancelled it before its time was over."""

GRACE = timedelta(seconds=30)
"""GitHub ends a job at its time-out itself; the App steps in so much later."""


def seen(jobs: Sequence[Job], name: str, limit: timedelta, now: datetime) -> Seen:
    """Tell how a stage's job stands.

    Parameters
    ----------
    jobs
        All jobs of the workflow run.
    name
        The job's own name, such as ``train``.
    limit
        The stage's time-out, counted from the job's start.
    """
    job = find(jobs, name)
    if job is None:
        return "absent"
    if job.status == "completed":
        return _concluded(job, limit)
    if job.status == "in_progress" and job.started_at is not None:
        return "overdue" if now - job.started_at > limit + GRACE else "running"
    return "waiting"


def felt(before: Pulse | None, heartbeat: Heartbeat | None, now: datetime) -> Pulse | None:
    """Return the pulse after a look at the heartbeat; clocks are not compared, as the runner's may be wrong."""
    if heartbeat is None:
        return None
    if before is not None and before.at == heartbeat.at:
        return before
    return Pulse(at=heartbeat.at, seen=now)


def is_lost(pulse: Pulse | None, limit: timedelta, now: datetime) -> bool:
    """Tell whether a stage that gave signs of life has given none for too long."""
    return pulse is not None and now - pulse.seen > limit


def queued_for(job: Job | None, now: datetime) -> timedelta:
    """Return how long a job has waited for a runner; nothing where it does not wait."""
    if job is None or job.created_at is None or job.status in ("in_progress", "completed"):
        return timedelta(0)
    return now - job.created_at


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


def _concluded(job: Job, limit: timedelta) -> Seen:
    if job.conclusion == "success":
        return "ok"
    if job.conclusion == "cancelled" and job.started_at is not None and job.completed_at is not None:
        # A job that GitHub ended at its time-out reads `cancelled` as well.
        return "timed out" if job.completed_at - job.started_at >= limit else "stopped"
    # A stage that is looked at was to run: skipped, it fell to a cancelled workflow run.
    return "stopped" if job.conclusion in ("cancelled", "skipped") else "error"
