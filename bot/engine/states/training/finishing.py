"""Registry, history, and the announcement of how the run ended."""

from __future__ import annotations

from bot.engine.effects import comment, conclusion, history, model_lock, registry, storage
from bot.engine.effects.context import RunContext
from bot.engine.states import state
from bot.engine.states.notifying import ISSUE, notify_channels
from bot.runs.advance import StepResult
from bot.runs.machines.training import State
from bot.runs.run import EndStatus, Run


@state(State.REGISTER_MODEL)
async def register_model(context: RunContext, run: Run) -> StepResult:
    """Check that the model file is there, keep it from being written again, and determine the version that WriteHistory will commit."""
    if run.result is None:
        raise ValueError("a run without a result cannot be registered")
    await storage.check_artifact(context, run.result)
    await storage.protect_artifact(context, run.result)
    version, promoted = await registry.next_version(context, run, run.result)
    return StepResult(run.replace(version=version, promoted=promoted, status="passed"), "ok")


@state(State.ROLLBACK_MODEL)
async def rollback_model(context: RunContext, run: Run) -> StepResult:
    """Undo what the run did to the registry; a healthy champion stays."""
    await registry.withdraw(context, run)
    return StepResult(run.replace(version=None, promoted=False, status=_not_passed(run)), "ok")


@state(State.WRITE_HISTORY)
async def write_history(context: RunContext, run: Run) -> StepResult:
    """Commit everything that is kept of the run, then release the model."""
    run = run.replace(status=run.status or "failed")
    # Before the commit, so that a run restored from its comment writes exactly the same history.
    await comment.show(context, run, may_fail=True)
    sha = await history.commit(context, run)
    await model_lock.release(context, run)
    return StepResult(run.replace(history_sha=sha), "passed" if run.status == "passed" else "failed")


@state(State.NOTIFY_SUCCESS)
async def notify_success(context: RunContext, run: Run) -> StepResult:
    """Announce that the model passed."""
    if ISSUE not in run.notified:
        await conclusion.conclude(context, run, label="passed", reason="completed")
        run = run.replace(notified=(ISSUE,))
    return await notify_channels(context, run)


@state(State.NOTIFY_FAILURE)
async def notify_failure(context: RunContext, run: Run) -> StepResult:
    """Announce that the run ended without a registered model."""
    if ISSUE not in run.notified:
        await model_lock.release(context, run)
        if run.history_sha is None:  # the history could not be written, so neither may the registry have changed
            await registry.withdraw(context, run)
        run = run.replace(status=_not_passed(run))
        label = "cancelled" if run.status == "cancelled" else "failed"
        await conclusion.conclude(context, run, label=label, reason="not_planned")
        run = run.replace(notified=(ISSUE,))
    return await notify_channels(context, run)


def _not_passed(run: Run) -> EndStatus:
    """Return how a run ends that does not pass. One that had passed but could not be recorded has failed."""
    return run.status if run.status not in (None, "passed") else "failed"
