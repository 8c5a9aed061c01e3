"""The slash commands: one module each, with the declaration ``COMMAND`` and ``async def handle(context)``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bot.events.command_context import CommandContext
from bot.events.discovery import modules_in
from bot.parsing.command import Command

Handler = Callable[[CommandContext], Awaitable[str]]

_MODULES = modules_in(__name__, __path__)
COMMANDS: Mapping[str, Command] = {module.COMMAND.name: module.COMMAND for module in _MODULES}
HANDLERS: Mapping[str, Handler] = {module.COMMAND.name: module.handle for module in _MODULES}
