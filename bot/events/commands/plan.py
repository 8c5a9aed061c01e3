"""``/plan``: show what would run, and how long finished runs of the model took."""

from __future__ import annotations

from bot.events.command_context import CommandContext
from bot.events.promotion import champion_version
from bot.messages import answers
from bot.parsing.command import Command
from bot.runs.history import estimate, past_runs

RUNS_FOR_ESTIMATE = 5

COMMAND = Command(name="plan", permission="read", example="/plan", needs_run=False, works_without_config=True)


async def handle(context: CommandContext) -> str:
    request = context.run.request if context.run is not None and not context.run.ended else None
    if request is None:
        issue = await context.repository.issue(context.issue)
        outcome = await context.services.training.read(context.repository, issue.body)
        request = outcome.request
        if request is None:
            return outcome.refusal
    branch = await context.history_branch()
    records = await past_runs(context.repository, branch, request.model_name, RUNS_FOR_ESTIMATE)
    champion = await champion_version(context.repository, branch, request.model_name)
    return answers.plan(request, estimate(records), champion, context.language)
