"""Watching the job of a stage until it succeeds or fails."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from actions.contracts.stage import Stage
from actions.errors import Problem
from bot.engine.effects import comment, storage, workflow
from bot.engine.effects.context import RunContext
from bot.runs.advance import StepResult
from bot.runs.job_status import JobStatus, find, is_lost, job_status, observe_heartbeat, observe_job, queued_for
from bot.runs.run import Run, StageError

if TYPE_CHECKING:
    from bot.github import Job
    from bot.runs.machine import Outcome

POLL_INTERVAL = timedelta(seconds=5)
"""How often to look at a running stage, in addition to GitHub's events."""
IDLE_INTERVAL = timedelta(seconds=60)
"""How often to look where only an event can change something, in case that event is lost."""
HEARTBEAT_TIMEOUT = timedelta(minutes=5)
"""A stage whose heartbeat stops for this long has lost its runner."""
MIN_HEARTBEAT_TIMEOUT = timedelta(minutes=1)
"""Heartbeats do not become faster with a deployment's time factor, so the timeout must not become shorter than this."""
UNCLAIMED_AFTER = timedelta(minutes=5)
"""A job that no runner has taken for this long may never be taken, so the comment says why."""


async def watch(context: RunContext, run: Run, stage: Stage) -> StepResult | None:
    """Look at a stage's job; return None once it has succeeded."""
    jobs = await workflow.jobs(context, run)
    is_over = find(jobs, stage) is None and await workflow.is_over(context, run)
    if is_over:
        jobs = await workflow.jobs(context, run)  # the job may have started and ended between the two requests
    job = find(jobs, stage)
    run = run.replace(observed_job=observe_job(run.observed_job, job, context.now()))
    status = job_status(job, context.scaled(run.timeout), run.observed_job, context.now())
    if status == "absent" and is_over:
        status = "error"
    if status == "ok":
        return None
    if status == "overdue":
        # The retry writes to the same folder, so it must wait until nothing of this try is running.
        await workflow.cancel(context, run)
        return StepResult(run.replace(overdue=True), again=POLL_INTERVAL)
    if status == "running":
        run, silence = await _observe_heartbeat(context, run, stage)
        if silence is not None:
            return silence
    if status in ("error", "stopped", "timed out"):
        return await _failed(context, run, job, stage, status)
    if job is not None and queued_for(run.observed_job, context.now()) > context.scaled(UNCLAIMED_AFTER):
        await comment.show(context, run, jobs=jobs, unclaimed=await workflow.why_unclaimed(context, job))
        return StepResult(run, again=IDLE_INTERVAL)
    await comment.show(context, run, jobs=jobs)
    return StepResult(run, again=POLL_INTERVAL)


async def _observe_heartbeat(context: RunContext, run: Run, stage: Stage) -> tuple[Run, StepResult | None]:
    """Note the stage's heartbeat; if it has stopped for too long, stop the stage."""
    try:
        beat = await storage.heartbeat(context, run, stage)
    except OSError:  # the App's storage fails or is silent, which says nothing about the runner
        return run, None
    run = run.replace(observed_heartbeat=observe_heartbeat(run.observed_heartbeat, beat, context.now()))
    timeout = max(context.scaled(HEARTBEAT_TIMEOUT), MIN_HEARTBEAT_TIMEOUT)
    if not run.runner_lost and not is_lost(run.observed_heartbeat, timeout, context.now()):
        return run, None
    # A dead runner does not act on a cancellation, so after a while GitHub must end the job without it.
    await workflow.cancel(context, run, force=is_lost(run.observed_heartbeat, 2 * timeout, context.now()))
    return run, StepResult(run.replace(runner_lost=True), again=IDLE_INTERVAL)


async def _failed(context: RunContext, run: Run, job: Job | None, stage: Stage, status: JobStatus) -> StepResult:
    """Note why a stage failed, and decide whether a retry could help."""
    problem, outcome = await _cause(context, run, stage, status)
    log_tail = "" if problem is not None and problem.kind == "stopped" else await workflow.log_tail(context, job)
    step = next((step.name for step in job.steps if step.conclusion == "failure"), "") if job else ""
    return StepResult(
        run.replace(error=StageError(stage=stage, step=step, problem=problem, log_tail=log_tail)), outcome
    )


async def _cause(context: RunContext, run: Run, stage: Stage, status: JobStatus) -> tuple[Problem | None, Outcome]:
    if status == "timed out" or (status == "stopped" and run.overdue):
        return _timed_out(run, stage), "error"
    if status == "stopped" and run.runner_lost:
        return _runner_lost(stage), "error"
    if status == "stopped":
        return _cancelled(stage), "refused"
    progress = await storage.progress(context, run, stage)
    problem = progress.error if progress is not None else None
    if problem is None or problem.kind == "crash":
        return problem, "error"
    if run.judged is not None and "unusable" in run.spec.next:
        return problem, "unusable"
    is_invalid = problem.kind == "invalid_input" and "invalid" in run.spec.next
    return problem, "invalid" if is_invalid else "refused"


def _timed_out(run: Run, stage: Stage) -> Problem:
    minutes = run.timeout.total_seconds() / 60 if run.timeout else 0
    return Problem(
        kind="timed_out",
        reason="stage_timed_out",
        rule=f"The {stage} stage must finish within {minutes:g} minutes.",
        found="It was still running after that time and was stopped.",
        next_step="Allow more time in the form, use less data, or choose a faster runner.",
    )


def _runner_lost(stage: Stage) -> Problem:
    return Problem(
        kind="crash",
        reason="runner_lost",
        rule=f"The {stage} stage must send a heartbeat every few seconds until it ends.",
        found=f"It sent none for more than {HEARTBEAT_TIMEOUT.total_seconds() / 60:g} minutes and was stopped.",
        next_step="Check the runner: it was switched off, lost its network, or ran out of memory.",
    )


def _cancelled(stage: Stage) -> Problem:
    return Problem(
        kind="stopped",
        reason="workflow_cancelled",
        rule=f"The {stage} stage must run to its end.",
        found="Its workflow run was cancelled on GitHub.",
        next_step="Open a new issue to train again. To stop a run from its issue, use `/cancel`.",
    )
