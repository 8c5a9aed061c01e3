"""``/register``: register a passed run's model again, after the registry has lost it."""

from __future__ import annotations

from actions.context import Reader
from actions.model_registry import model_file
from actions.text.masking import masked
from bot.events.command_context import CommandContext
from bot.events.published_models import load_record
from bot.events.registry_change import Files, registered_again
from bot.messages import answers
from bot.parsing.command import Command

COMMAND = Command(
    name="register",
    permission="maintain",
    example="/register the registry was reverted by mistake",
    rest="reason",
)


async def handle(context: CommandContext) -> str:
    run, invocation = context.current_run, context.invocation
    branch = await context.history_branch()
    next_step = "Wait until the run has ended, or train again: `/retry`."
    record = await load_record(run.id, context.repository, branch, next_step)
    versions: list[int] = []

    def change(read: Reader) -> Files:
        files, version = registered_again(record, read)
        versions.append(version)
        return files

    reason = masked(invocation.parsed.reason[:2_000])
    message = (
        f"Register {run.model} of {run.id} [skip ci]\n\nRequested by {invocation.user.login}. {reason}".rstrip() + "\n"
    )
    await context.repository.commit_files(branch, message, change, reads=[model_file.path_of(run.model)])
    return answers.registered(run.model, versions[-1], run.id, context.config.language)
