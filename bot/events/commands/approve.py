"""``/approve``: train a rejected model again. It never accepts the rejected model."""

from __future__ import annotations

from bot.events.command_context import CommandContext
from bot.events.decisions import decide
from bot.parsing.command import Command

COMMAND = Command(
    name="approve",
    permission="write",
    example="/approve n_estimators=500 more trees may help",
    rest="overrides and reason",
)


async def handle(context: CommandContext) -> str:
    return await decide(context, "approve")
