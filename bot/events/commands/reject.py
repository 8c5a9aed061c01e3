"""``/reject``: leave the model rejected, and end the run."""

from __future__ import annotations

from bot.events.command_context import CommandContext
from bot.events.decisions import decide
from bot.parsing.command import Command

COMMAND = Command(
    name="reject",
    permission="write",
    example="/reject the data must be cleaned first",
    rest="reason",
    works_without_config=True,
)


async def handle(context: CommandContext) -> str:
    return await decide(context, "reject")
