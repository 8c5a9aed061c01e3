"""What all states that notify people share."""

from __future__ import annotations

from datetime import timedelta

from bot.engine.effects import channels
from bot.engine.effects.context import RunContext
from bot.runs.advance import StepResult
from bot.runs.run import Run

ISSUE = "issue"
"""In ``Run.notified``: the people at the issue."""
MAX_CHANNEL_BACKOFF = timedelta(minutes=5)
"""A channel that asks for a longer pause is retried after this one."""


async def notify_channels(context: RunContext, run: Run, *, retry: bool = True) -> StepResult:
    """Notify the channels outside GitHub of the state's event.

    A channel that fails is retried while the table grants retries, and then given up: the run goes on without it.
    """
    event = run.spec.notifies
    if event is None:
        raise ValueError(f"{run.state} notifies nobody")
    run, pause = await channels.notify(context, run, event)
    if pause is None or run.ended:
        return StepResult(run, "ok")
    is_answered = run.spec.answerable and run.answer is not None  # an answer does not wait for a slow channel
    if retry and run.tries < run.spec.retries and not is_answered:
        return StepResult(run, "error", again=min(pause, MAX_CHANNEL_BACKOFF))
    channels.give_up(run, event)
    return StepResult(run, "ok")
