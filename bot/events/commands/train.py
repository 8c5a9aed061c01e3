"""``/train``: train from the issue's form, for the first time or again after a run has ended."""

from __future__ import annotations

from bot.events.command_context import CommandContext
from bot.events.reopen import reopen
from bot.events.training import writers_of
from bot.messages import run_comments
from bot.parsing.command import Command

COMMAND = Command(
    name="train",
    permission="write",
    example="/train the data is complete now",
    rest="reason",
    needs_run=False,
)


async def handle(context: CommandContext) -> str:
    run, invocation = context.run, context.invocation
    if run is not None and run.request_comment == invocation.comment:
        return ""
    if run is not None and not run.ended:
        return run_comments.not_waiting(context.view, invocation.name)
    training = context.services.training
    issue = await context.repository.issue(context.issue)
    body = issue.body if invocation.issue_body is None else invocation.issue_body
    outcome = await training.read(context.repository, body)
    if outcome.request is None:
        await training.report_invalid(context.repository, context.issue, None, outcome.refusal)
    else:
        await reopen(context, outcome, writers_of(issue, run))
    return ""
