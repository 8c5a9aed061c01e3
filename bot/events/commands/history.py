"""``/history``: list the latest finished runs of the model."""

from __future__ import annotations

from bot.events.command_context import CommandContext
from bot.messages import answers
from bot.parsing.command import Command
from bot.runs.history import past_runs

MAX_RUNS = 10

COMMAND = Command(name="history", permission="read", example="/history", works_without_config=True)


async def handle(context: CommandContext) -> str:
    model = context.current_run.model
    records = await past_runs(context.repository, await context.history_branch(), model, MAX_RUNS)
    return answers.past(model, records, context.language)
