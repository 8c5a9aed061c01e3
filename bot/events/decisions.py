"""What ``/approve``, ``/reject`` and ``/cancel`` share: recording a person's decision about the present attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from anyio import to_thread

from actions.contracts.person import Person
from actions.errors import InvalidInput, NotAllowed, Problem
from actions.tasks.registry import TrainingRequest
from bot.events.command_context import CommandContext
from bot.github import Repository
from bot.messages import answers, run_comments
from bot.parsing.command_arguments import override_problems, with_overrides
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
    if problems := problems_with_overrides(context, run.request):
        return answers.wrong_arguments(replace(invocation.parsed, problems=problems), context.language)
    if what == "approve":
        check_approver(context, run.requesters, run.id)
    if not can_take(run, decision) or not await _is_about_this_attempt(
        run, decision, invocation.written, context.repository
    ):
        return run_comments.not_waiting(context.view, invocation.name)
    await to_thread.run_sync(context.services.store.runs.change, run, lambda stored: with_decision(stored, decision))
    return ""


def problems_with_overrides(context: CommandContext, request: TrainingRequest) -> tuple[Problem, ...]:
    """Return why the command's overrides do not make a request that can be trained; empty if they do."""
    overrides = context.invocation.parsed.overrides
    if problems := override_problems(request, overrides):
        return tuple(problems)
    try:
        with_overrides(request, overrides)
    except InvalidInput as error:
        return (error.problem,)
    return ()


def check_approver(context: CommandContext, requesters: Sequence[Person], run: str) -> None:
    """Refuse everyone who requested the run or changed its request, if the repository wants another person to decide.

    Raises
    ------
    NotAllowed
        ``another_person_needed``.
    """
    if context.config.approver == "another" and context.invocation.user.is_among(requesters):
        raise NotAllowed(
            "another_person_needed",
            rule="Someone other than the requester must decide (`approver: another` in .github/modelyard.yml).",
            found=f"{' and '.join(person.login for person in requesters)} requested {run} or changed its request.",
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
