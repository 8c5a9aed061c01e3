"""``/help``: list the commands."""

from __future__ import annotations

from bot.events.command_context import CommandContext
from bot.messages import answers
from bot.parsing.command import Command

COMMAND = Command(name="help", permission="read", example="/help", needs_run=False, works_without_config=True)


async def handle(context: CommandContext) -> str:
    return answers.help_text(context.services.commands, context.config.commands, context.language)
