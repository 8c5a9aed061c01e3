"""``/unlock``: release the model's lock, so that the next run of the model can start."""

from __future__ import annotations

import logging
from http import HTTPStatus

from anyio import to_thread

from bot.events.command_context import CommandContext
from bot.github import HubError
from bot.messages import answers
from bot.parsing.command import Command
from bot.runs.run import Run

log = logging.getLogger(__name__)

COMMAND = Command(
    name="unlock",
    permission="maintain",
    example="/unlock its runner is gone for good",
    rest="reason",
)


async def handle(context: CommandContext) -> str:
    run, invocation, store = context.current_run, context.invocation, context.services.store
    now = context.services.clock()
    owner = await to_thread.run_sync(store.locks.owner, run.repository, run.model)
    if owner is None:
        return answers.unlocked(run.model, None, now, context.language)
    holder = await to_thread.run_sync(store.runs.get, run.repository, owner)
    # Released before, by this command or another one.
    if holder.lock_since > invocation.received or await _began_after_the_command(holder, context):
        return answers.unlocked(run.model, None, now, context.language)
    await to_thread.run_sync(store.locks.release, holder)
    log.warning(
        "%s released the lock of %s, which %s held: %s",
        invocation.user.login,
        run.model,
        owner,
        invocation.parsed.reason,
    )
    return answers.unlocked(run.model, holder, now, context.language)


async def _began_after_the_command(holder: Run, context: CommandContext) -> bool:
    """Return whether the command was written before the holder's work began, so that it was about another holder.

    A command whose answer was deleted is delivered again, with a new time of receipt. Both times here are GitHub's.
    """
    sent = next((sent for sent in holder.dispatches if sent.attempt == holder.attempt and sent.workflow_run), None)
    if sent is None or sent.workflow_run is None:
        return context.invocation.is_repeat
    try:
        began = (await context.repository.workflow_run(sent.workflow_run)).created_at
    except HubError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return context.invocation.is_repeat
    written = context.invocation.written
    # GitHub's times are whole seconds: within the same one, only a command that was read before is an old one.
    return began is not None and (began > written or (began == written and context.invocation.is_repeat))
