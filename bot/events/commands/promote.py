"""``/promote``: make a version the champion, which production uses."""

from __future__ import annotations

from actions.errors import NotFound
from bot.events.command_context import CommandContext
from bot.events.promotion import VERSION, decision_of, load_target, move_champion
from bot.events.registry_change import promoted
from bot.parsing.command import Command

COMMAND = Command(
    name="promote",
    permission="maintain",
    example="/promote better on last week's data",
    positionals=(VERSION,),
    rest="reason",
)


async def handle(context: CommandContext) -> str:
    run = context.current_run
    given = context.invocation.parsed.positionals.get("version")
    number = int(given) if given else run.version
    if number is None:
        raise NotFound(
            "no_version",
            rule="Only a registered version can be promoted.",
            found=f"{run.id} has registered none.",
            next_step="Name a version, such as `/promote 3`. `/history` lists them.",
        )
    branch = await context.history_branch()
    target = await load_target(context.repository, branch, run.model, number)
    return await move_champion(context, branch, target, decision_of(context, "promote", target.version), promoted)
