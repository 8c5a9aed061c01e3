"""``/cancel``: stop the run, whatever it is doing."""

from __future__ import annotations

from bot.events.command_context import CommandContext
from bot.events.decisions import decide
from bot.parsing.command import Command

COMMAND = Command(
    name="cancel",
    permission="write",
    example="/cancel wrong data set",
    rest="reason",
    works_without_config=True,
)


async def handle(context: CommandContext) -> str:
    return await decide(context, "cancel")
