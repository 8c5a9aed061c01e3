"""``/unlock``: release the model's lock, so that the next run of the model can start."""

from __future__ import annotations

import logging

from anyio import to_thread

from bot.events.command_context import CommandContext
from bot.messages import answers
from bot.parsing.command import Command

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
    if holder.lock_since > invocation.received:  # released before, by this command or another one
        return answers.unlocked(run.model, None, now, context.language)
    await to_thread.run_sync(store.locks.release, holder)
    log.warning(
        "%s released the lock of %s, which %s held: %s", invocation.user, run.model, owner, invocation.parsed.reason
    )
    return answers.unlocked(run.model, holder, now, context.language)
