"""``/retry``: run a request again that did not pass, with or without overrides."""

from __future__ import annotations

from dataclasses import replace

from bot.events.command_context import CommandContext
from bot.events.decisions import problems_with_overrides
from bot.events.reopen import reopen
from bot.events.training import check_allowed
from bot.messages import answers, run_comments
from bot.parsing.command import Command
from bot.parsing.command_arguments import with_overrides

COMMAND = Command(
    name="retry",
    permission="write",
    example="/retry timeout_minutes=120 the runner was slow",
    rest="overrides and reason",
)


async def handle(context: CommandContext) -> str:
    run, invocation = context.current_run, context.invocation
    if run.request_comment == invocation.comment:
        return ""
    if not run.ended or run.status in ("passed", "invalid"):
        return run_comments.not_waiting(context.view, invocation.name)
    if problems := problems_with_overrides(context, run.request):
        return answers.wrong_arguments(replace(invocation.parsed, problems=problems), context.language)
    request = with_overrides(run.request, invocation.parsed.overrides)
    outcome = await check_allowed(request, context.config, context.repository)
    if outcome.request is None:
        return outcome.refusal
    await reopen(context, outcome, run.requesters)
    return ""
