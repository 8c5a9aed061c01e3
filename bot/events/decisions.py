"""What ``/approve``, ``/reject`` and ``/cancel`` share: recording a person's decision about the present attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from anyio import to_thread

from actions.errors import InvalidInput, NotAllowed
from bot.events.command_context import CommandContext
from bot.github import Repository
from bot.messages import answers, run_comments
from bot.parsing.command_arguments import with_overrides
from bot.runs.decisions import can_take, with_decision
from bot.runs.job_status import find
from bot.runs.run import Decision, Run


async def decide(context: CommandContext, what: Literal["approve", "reject", "cancel"]) -> str:
    """Record the decision, if the run can take it now."""
    run, invocation = context.current_run, context.invocation
    if run.has_decision_from(invocation.comment):
        return ""
    decision = Decision(
        who=invocation.user,
        what=what,
        when=context.services.clock(),
        attempt=run.attempt,
        comment=invocation.comment,
        reason=invocation.parsed.reason,
        overrides=invocation.parsed.overrides,
    )
    try:
        with_overrides(run.request, decision.overrides)
    except InvalidInput as error:
        return invalid_overrides(context, error)
    if what == "approve":
        check_approver(context, run.requester, run.id)
    if not can_take(run, decision) or not await _is_about_this_attempt(
        run, decision, invocation.written, context.repository
    ):
        return run_comments.not_waiting(context.view, invocation.name)
    await to_thread.run_sync(context.services.store.runs.change, run, lambda stored: with_decision(stored, decision))
    return ""


def invalid_overrides(context: CommandContext, error: InvalidInput) -> str:
    """Return the reply to overrides that do not make a valid request."""
    return answers.wrong_arguments(replace(context.invocation.parsed, problems=(error.problem,)), context.language)


def check_approver(context: CommandContext, requester: str, run: str) -> None:
    """Refuse the requester, if the repository wants another person to decide.

    Raises
    ------
    NotAllowed
        ``another_person_needed``.
    """
    if context.config.approver == "another" and context.invocation.user.lower() == requester.lower():
        raise NotAllowed(
            "another_person_needed",
            rule="Someone other than the requester must decide (`approver: another` in .github/modelyard.yml).",
            found=f"{requester} requested {run}.",
            next_step="Ask a colleague to post the command.",
        )


async def _is_about_this_attempt(run: Run, decision: Decision, written: datetime, repository: Repository) -> bool:
    """Return whether a decision was written after this attempt's question, or after its judging began.

    A comment may arrive late, in a later attempt than it was written in. Only times from GitHub's clock are compared.
    """
    if decision.what == "cancel" or (run.question_comment and decision.comment > run.question_comment):
        return True
    dispatch = run.dispatch
    if dispatch is None or dispatch.workflow_run is None:
        return False
    judge = find(await repository.jobs(dispatch.workflow_run), "judge")
    return judge is not None and judge.started_at is not None and written >= judge.started_at
