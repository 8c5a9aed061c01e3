"""What ``/promote`` and ``/rollback`` share: one commit that moves the champion and records who decided it.

The commit is bound to the artifact that the person saw: if it has changed meanwhile, nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from actions.context import Reader
from actions.history_management.record import RecordedDecision
from actions.model_registry import model_file
from actions.model_registry.model_file import Version
from bot.events.command_context import CommandContext
from bot.events.decisions import check_approver
from bot.events.registry_change import Files, PromotionTarget, read_model, read_record, record_path
from bot.github import Repository
from bot.messages import answers
from bot.parsing.command import Positional

VERSION = Positional("version", r"v?([1-9][0-9]{0,8})", "The version must be a number, such as 3.", required=False)

Change = Callable[[PromotionTarget, RecordedDecision, Reader], Files]


async def champion_version(repository: Repository, branch: str, model: str) -> int | None:
    """Return the version that production uses now."""
    path = model_file.path_of(model)
    champion = model_file.champion(await repository.file(path, branch), path)
    return champion.version if champion is not None else None


async def load_target(repository: Repository, branch: str, model: str, number: int) -> PromotionTarget:
    """Read a version and the record of the run that made it."""
    file = read_model(model, await repository.file(model_file.path_of(model), branch))
    version = file.version(number)
    record = read_record(version, await repository.file(record_path(version.run), branch))
    return PromotionTarget(version, record, file.aliases.get("champion"))


def decision_of(context: CommandContext, what: Literal["promote", "rollback"], version: Version) -> RecordedDecision:
    """Return the decision. It has the comment's own time and id, so that handling the comment twice makes the same one."""
    invocation = context.invocation
    return RecordedDecision(
        who=invocation.user,
        what=what,
        when=invocation.written,
        attempt=version.attempt,
        sha256=version.sha256,
        reason=invocation.parsed.reason[:2_000],
        comment=invocation.comment,
    )


async def move_champion(
    context: CommandContext, branch: str, target: PromotionTarget, decision: RecordedDecision, change: Change
) -> str:
    """Commit the change unless the version is the champion already, and return the reply."""
    check_approver(context, target.record.requesters, target.record.run)
    version, language = target.version, context.config.language
    if target.champion == version.version and not target.is_decided(decision):
        return answers.already_champion(version, target.record, language)
    model = target.record.request.model_name
    verb = "Promote" if decision.what == "promote" else "Roll back"
    message = f"{verb} {model} to version {version.version} [skip ci]\n\nBy {decision.who.login}, about {version.run}\n"
    await context.repository.commit_files(
        branch,
        message,
        lambda read: change(target, decision, read),
        reads=[model_file.path_of(model), record_path(version.run)],
    )
    before = target.champion if target.champion != version.version else None
    return answers.promoted(version, target.record, decision, before=before, language=language)
