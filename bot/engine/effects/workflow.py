"""The workflow run that executes an attempt: starting, observing and cancelling it."""

from __future__ import annotations

import functools
import json
from http import HTTPStatus

from actions.contracts.stage import Stage
from actions.tasks.exchange import WorkOrder
from bot.engine.effects import comment, registry
from bot.engine.effects.context import RunContext
from bot.github import HubError, Job
from bot.runs import job_status
from bot.runs.run import Run, WorkflowDispatch
from bot.runs.view import Unclaimed
from bot.runs.workflow_names import TRAIN_WORKFLOW

MAX_LOG_LINES = 30


async def dispatch(context: RunContext, run: Run, start_at: Stage) -> Run:
    """Start a workflow run for the rest of the attempt, and note it in the run.

    The intention is stored first, in the comment too. Only a run with such a pending dispatch may have been dispatched
    before a crash, so only then the workflow run is searched for before another one is started.
    """
    pending = run.dispatch
    may_exist = pending is not None and pending.workflow_run is None
    if pending is None or not may_exist:
        number = len(run.dispatches) + 1
        title = f"{run.id} attempt {run.attempt} dispatch {number}"
        pending = WorkflowDispatch(
            attempt=run.attempt,
            start_at=start_at,
            title=title,
            sent_at=context.now(),
            champion=await registry.champion(context, run),
        )
        run = run.replace(dispatches=(*run.dispatches, pending))
        # In the comment as well: an App that has lost its database would otherwise dispatch a second time.
        await comment.show(context, run)
        run = await context.save(run)
    info = await context.info()
    inputs = await _inputs(context, run, pending)
    try:
        workflow_run = await context.repository.dispatch(
            TRAIN_WORKFLOW, info.default_branch, inputs, find_by=pending.title, sent_before=may_exist
        )
    except HubError as error:
        if not error.unknown:  # GitHub certainly refused it, so there is nothing to search for
            await context.change(run, _without_pending)
        raise
    url = f"{info.html_url}/actions/runs/{workflow_run}"
    sent = pending.model_copy(update={"workflow_run": workflow_run, "url": url})
    # Stored immediately, whatever else changed meanwhile: a command to cancel must find the workflow run.
    run = await context.change(run, functools.partial(_with_sent, sent=sent))
    await comment.label(context, run, "running")
    return run


async def jobs(context: RunContext, run: Run) -> list[Job]:
    """Return the jobs of the attempt's workflow run; none if GitHub no longer has it."""
    sent = run.dispatch
    if sent is None or sent.workflow_run is None:
        return []
    try:
        return await context.repository.jobs(sent.workflow_run)
    except HubError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return []


async def is_over(context: RunContext, run: Run) -> bool:
    """Tell whether the attempt's workflow run has completed, or is gone."""
    sent = run.dispatch
    if sent is None or sent.workflow_run is None:
        return False
    try:
        return (await context.repository.workflow_run(sent.workflow_run)).status == "completed"
    except HubError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return True


async def head_sha(context: RunContext, run: Run) -> str:
    """Return the commit that the attempt's workflow run runs on, according to GitHub."""
    sent = run.dispatch
    if sent is None or sent.workflow_run is None:
        return ""
    return (await context.repository.workflow_run(sent.workflow_run)).head_sha


async def cancel(context: RunContext, run: Run, *, force: bool = False) -> None:
    """Cancel the attempt's workflow run, if there is one, even if the response to its dispatch was lost."""
    sent = run.dispatch
    if sent is None:
        return
    if sent.workflow_run is not None:
        workflow_runs = [sent.workflow_run]
    else:
        with_title = await context.repository.find_workflow_runs(sent.title, TRAIN_WORKFLOW)
        workflow_runs = [workflow_run.id for workflow_run in with_title]
    for workflow_run in workflow_runs:
        await context.repository.cancel_workflow_run(workflow_run, force=force)


async def why_unclaimed(context: RunContext, job: Job) -> Unclaimed:
    """Find out why no runner has taken a job."""
    return job_status.unclaimed(job.labels, await context.repository.runners())


async def log_tail(context: RunContext, job: Job | None) -> str:
    """Return a job's last lines; empty if GitHub has no log of it."""
    if job is None:
        return ""
    try:
        return await context.repository.job_log_tail(job.id, MAX_LOG_LINES)
    except HubError as error:
        if error.transient:
            raise
        return ""


async def _inputs(context: RunContext, run: Run, pending: WorkflowDispatch) -> dict[str, str]:
    order = WorkOrder(
        run=run.id,
        attempt=run.attempt,
        repository=run.repository,
        issue=run.issue,
        request=run.request,
        training_seed=run.training_seed,
        storage_root=str(context.storage.root),
        data_roots=run.config.data_roots,
        champion=pending.champion,
        gate=run.config.gate,
    )
    return {
        "run": run.id,
        "attempt": str(run.attempt),
        "start_at": pending.start_at,
        "order": _as_input(order),
        "dispatch": str(len(run.dispatches)),
        "runs_on": json.dumps([run.request.runner]),
        "train_timeout_minutes": str(run.request.timeout_minutes),
    }


def _as_input(order: WorkOrder) -> str:
    """Write a work order without a dollar sign, so that no layer of GitHub Actions expands anything in it."""
    return order.model_dump_json().replace("$", "\\u0024")


def _with_sent(run: Run, sent: WorkflowDispatch) -> Run:
    return run.replace(needs_dispatch=False, dispatches=(*run.dispatches[:-1], sent))


def _without_pending(run: Run) -> Run:
    return run.replace(dispatches=tuple(sent for sent in run.dispatches if sent.workflow_run is not None))
