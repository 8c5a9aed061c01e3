"""``/rollback``: make the version before the champion, or a named one, the champion again."""

from __future__ import annotations

from actions.errors import Conflict
from actions.model_registry import model_file
from actions.model_registry.model_file import ModelFile
from bot.events.command_context import CommandContext
from bot.events.promotion import VERSION, decision_of, load_target, move_champion
from bot.events.registry_change import (
    PromotionTarget,
    became_champion_after,
    champion_changed,
    read_model,
    rollback_target,
    rolled_back,
)
from bot.messages import answers
from bot.parsing.command import Command

COMMAND = Command(
    name="rollback",
    permission="maintain",
    example="/rollback 2 too many false alarms",
    positionals=(VERSION,),
    rest="reason",
)


async def handle(context: CommandContext) -> str:
    model, invocation = context.current_run.model, context.invocation
    branch = await context.history_branch()
    file = read_model(model, await context.repository.file(model_file.path_of(model), branch))
    champion = await _champion(context, branch, file)
    if champion is not None:
        decision = decision_of(context, "rollback", champion.version)
        if champion.is_decided(decision):  # the comment is handled for the second time
            return answers.promoted(champion.version, champion.record, decision, language=context.config.language)
        if became_champion_after(champion.record, invocation.written, invocation.received):
            raise champion_changed(model, champion.version.version)
    given = invocation.parsed.positionals.get("version")
    version = rollback_target(file, int(given) if given else None)
    target = await load_target(context.repository, branch, model, version.version)
    return await move_champion(context, branch, target, decision_of(context, "rollback", target.version), rolled_back)


async def _champion(context: CommandContext, branch: str, file: ModelFile) -> PromotionTarget | None:
    """Return the champion, or None if there is none or its record is unusable: then leaving it is right."""
    if "champion" not in file.aliases:
        return None
    try:
        return await load_target(context.repository, branch, file.name, file.aliases["champion"])
    except Conflict:
        return None
