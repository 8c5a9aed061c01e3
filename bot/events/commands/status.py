"""``/status``: show the run's status."""

from __future__ import annotations

from bot.events.command_context import CommandContext
from bot.messages import run_comments
from bot.parsing.command import Command

COMMAND = Command(name="status", permission="read", example="/status", works_without_config=True)


async def handle(context: CommandContext) -> str:
    return run_comments.status_reply(context.view)
