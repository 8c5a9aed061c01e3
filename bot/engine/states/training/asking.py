"""From a rejection to a person's decision, and to the next attempt."""

from __future__ import annotations

from datetime import timedelta

from actions.contracts.person import distinct
from bot.engine.effects import comment, model_lock, storage
from bot.engine.effects.context import RunContext
from bot.engine.states import state
from bot.engine.states.notifying import ISSUE, notify_channels
from bot.parsing.command_arguments import with_overrides
from bot.runs.advance import StepResult
from bot.runs.machines.training import OPERATOR_TIMEOUT, State
from bot.runs.run import JudgedAttempt, Run

REMINDER_LEAD_TIME = timedelta(hours=4)
"""People are reminded of a question this long before it expires."""


@state(State.CHECK_RETRY_LIMIT)
async def check_retry_limit(_: RunContext, run: Run) -> StepResult:
    """Check whether the request allows another attempt."""
    if run.attempt < run.attempts_allowed:
        return StepResult(run, "left")
    return StepResult(run.replace(status="rejected"), "none")


@state(State.NOTIFY_OPERATOR)
async def notify_operator(context: RunContext, run: Run) -> StepResult:
    """Ask a person, once per attempt. Other runs may use the model while this one waits."""
    if ISSUE not in run.notified:
        await model_lock.release(context, run)
        question = await comment.ask(context, run)
        await comment.label(context, run, "waiting")
        run = run.replace(question_comment=question, notified=(ISSUE,))
    return await notify_channels(context, run)


@state(State.WAIT_FOR_OPERATOR_INPUT)
async def wait_for_operator_input(context: RunContext, run: Run) -> StepResult:
    """Wait for an answer until the question expires."""
    answer = run.answer
    if answer is not None and answer.attempt == run.attempt:
        run = run.replace(answer=None, error=None, decisions=(*run.decisions, answer))
        if answer.what == "approve":
            return StepResult(run, "approve")
        return StepResult(run.replace(status="rejected"), "reject")
    if context.stayed(run) >= OPERATOR_TIMEOUT:
        return StepResult(run.replace(status="rejected", error=None), "time-out")
    await comment.show(context, run)
    # Measured after each write to GitHub, because the time that a write takes must not prolong the question.
    if (left := OPERATOR_TIMEOUT - context.stayed(run)) > REMINDER_LEAD_TIME:
        return StepResult(run, again=left - REMINDER_LEAD_TIME)
    await comment.remind(context, run)
    return StepResult(run, again=OPERATOR_TIMEOUT - context.stayed(run))


@state(State.INCREMENT_RETRY)
async def increment_retry(context: RunContext, run: Run) -> StepResult:
    """Begin the next attempt with the approval's overrides; without any, with the next seed."""
    # An attempt with this number may have been given up, and its report must not be taken for the new one's.
    await storage.clear(context, run, attempt=run.attempt + 1)
    approval = run.decisions[-1]
    overrides = dict(approval.overrides)
    seed = overrides.pop("seed", None)
    request = with_overrides(run.request, overrides)
    judged = JudgedAttempt(request=run.request, seed=run.seed, result=run.result, published_sha=run.published_sha)
    # Who changes a request has requested it too, and may not decide about its result under `approver: another`.
    contributors = distinct((*run.requesters, approval.who))[1:] if approval.overrides else run.contributors
    fresh = {
        "contributors": contributors,
        "judged": judged,
        "seed": seed,
        "question_comment": 0,
        "answer": None,
        "result": None,
        "published_sha": None,
        "error": None,
    }
    return StepResult(run.replace(attempt=run.attempt + 1, request=request, **fresh), "ok")
