"""The lock of a run's model."""

from __future__ import annotations

from anyio import to_thread

from bot.engine.effects.context import RunContext
from bot.runs.run import Run


async def take(context: RunContext, run: Run) -> Run | None:
    """Take the lock; return None, or the run that holds it or comes first."""
    owner = await to_thread.run_sync(context.store.locks.take, run)
    return None if owner == run.id else await to_thread.run_sync(context.store.runs.get, run.repository, owner)


async def release(context: RunContext, run: Run) -> None:
    """Release the lock, if the run holds it."""
    await to_thread.run_sync(context.store.locks.release, run)
