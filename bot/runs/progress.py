"""The table of an attempt's stages, from GitHub's jobs and the running stage's progress report (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from actions.contracts.results import Progress
from actions.contracts.stage import STAGES, Stage
from bot.github import Job
from bot.runs.job_status import find
from bot.runs.view import StageLine, StageStatus

_CONCLUDED: dict[str | None, StageStatus] = {"success": "done", "skipped": "skipped"}


def stage_lines(
    jobs: Sequence[Job], start_at: Stage, progress: Progress | None, now: datetime
) -> tuple[StageLine, ...]:
    """Return one line per stage.

    Parameters
    ----------
    jobs
        The jobs of the attempt's latest workflow run.
    start_at
        The stage at which that workflow run began: an earlier one executed the stages before it.
    progress
        The running stage's report, if there is one.
    """
    before = STAGES.index(start_at)
    done = tuple(StageLine(name, "done") for name in STAGES[:before])
    return done + tuple(_line(name, find(jobs, name), progress, now) for name in STAGES[before:])


def _line(name: Stage, job: Job | None, progress: Progress | None, now: datetime) -> StageLine:
    if job is None:
        return StageLine(name)
    if job.status == "completed":
        return StageLine(name, _CONCLUDED.get(job.conclusion, "failed"), _seconds(job, now))
    if job.status != "in_progress":
        return StageLine(name)
    if progress is None or progress.stage != name:
        step = next((step.name for step in job.steps if step.status == "in_progress"), "")
        return StageLine(name, "running", note=step)
    done, total = progress.done, progress.total
    percent = int(100 * min(done / total, 1)) if done is not None and total else None
    left, counted = progress.eta_seconds, (done, total) if percent is not None else (None, None)
    return StageLine(name, "running", None, progress.step, percent, left, *counted)


def _seconds(job: Job, now: datetime) -> float | None:
    if job.started_at is None or job.conclusion == "skipped":
        return None
    return ((job.completed_at or now) - job.started_at).total_seconds()
