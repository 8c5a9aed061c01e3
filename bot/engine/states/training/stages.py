"""From the queue through the stages to the verdict."""

from __future__ import annotations

from dataclasses import replace

from actions.errors import InvalidInput
from bot.engine import stage_watch
from bot.engine.effects import comment, configuration, model_lock, publication, storage, workflow
from bot.engine.effects.context import RunContext
from bot.engine.states import state
from bot.engine.states.notifying import notify_channels
from bot.runs.advance import StepResult
from bot.runs.machines.training import State
from bot.runs.run import AttemptVerdict, Run, StageError


@state(State.QUEUED)
async def queued(context: RunContext, run: Run) -> StepResult:
    """Take the model's lock, or show which run is first."""
    ahead = await model_lock.take(context, run)
    if ahead is None:
        return StepResult(run, "ok")
    await comment.show(context, run, behind=ahead)
    await comment.label(context, run, "queued")
    return StepResult(run, again=stage_watch.IDLE_INTERVAL)


@state(State.PREPARE_DATA, State.TRAIN_MODEL, State.EVALUATE_MODEL)
async def run_stage(context: RunContext, run: Run) -> StepResult:
    """Wait for the stage's job, after starting a workflow run if the stage needs one."""
    (stage,) = run.spec.stages
    if run.needs_dispatch:
        run, is_fixed = await configuration.fix(context, run)
        if not is_fixed:
            return StepResult(run, again=stage_watch.IDLE_INTERVAL)
        run = await workflow.dispatch(context, run, start_at=stage)
        await comment.show(context, run)
        return StepResult(run, again=stage_watch.POLL_INTERVAL)
    result = await stage_watch.watch(context, run, stage)
    if result is not None and result.outcome == "unusable":
        return replace(result, run=_returned_to_judged(result.run))
    return result or StepResult(run.replace(error=None), "ok")


def _returned_to_judged(run: Run) -> Run:
    """Give up an attempt that cannot begin: the one before stands, and its question is asked again with the problem."""
    return run.replace(attempt=run.attempt - 1, judged=None, **dict(run.judged or {}))


@state(State.JUDGE_RESULTS)
async def judge_results(context: RunContext, run: Run) -> StepResult:
    """Wait for judge and publish, then accept what was published, if it passes the checks."""
    for stage in run.spec.stages:
        result = await stage_watch.watch(context, run, stage)
        if result is not None:
            return result
    try:
        sha, published = await publication.accept(context, run)
    except InvalidInput as error:
        return StepResult(run.replace(error=StageError(stage="publish", problem=error.problem)), "failed")
    verdict = AttemptVerdict(attempt=run.attempt, verdict=published.verdict)
    run = run.replace(result=published, published_sha=sha, verdicts=(*run.verdicts, verdict), judged=None, error=None)
    return StepResult(run, published.verdict.status)


@state(State.ERROR_HANDLER)
async def error_handler(context: RunContext, run: Run) -> StepResult:
    """Stop what is left of the attempt; the error itself was noted when the stage failed."""
    await workflow.cancel(context, run)
    return StepResult(run.replace(status="failed"), "ok")


@state(State.INVALID_DATA)
async def invalid_data(context: RunContext, run: Run) -> StepResult:
    """Report that the data contradicts the request. As with an invalid form, nothing of the run is kept."""
    await storage.clear(context, run)
    await model_lock.release(context, run)
    await comment.report_invalid_data(context, run)
    # Channels are not retried: an edit of the issue is a new request only once this run has ended.
    return await notify_channels(context, run.replace(status="invalid"), retry=False)
