"""What happens to a run when the App is removed from its repository, or installed again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from anyio import to_thread

from bot.database.store import Store
from bot.github import GitHub
from bot.runs.advance import cancelled
from bot.runs.run import Run

log = logging.getLogger(__name__)


async def follow_installation(run: Run, store: Store, github: GitHub, clock: Callable[[], datetime]) -> bool:
    """End the run if the App can no longer access the repository, or move it to a new installation.

    Nothing is written to GitHub. Events may arrive late and in any order, so GitHub is asked for the installation.

    Returns
    -------
    bool
        Whether the run has been ended or moved.
    """
    installation = await github.installation_now(run.repository)
    if installation == run.installation:
        return False
    if installation is None:
        reason = "the App was removed from the repository"
        ended = await to_thread.run_sync(store.runs.change, run, lambda stored: cancelled(stored, clock(), reason))
        await to_thread.run_sync(store.locks.release, ended)
        log.warning("run %s ended as cancelled: the App was removed from %s", run.id, run.repository)
    else:
        await to_thread.run_sync(store.runs.change, run, lambda stored: stored.replace(installation=installation))
    return True
