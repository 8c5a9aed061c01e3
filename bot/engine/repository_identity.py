"""What happens to runs when a repository is renamed, or another one gets its name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from anyio import to_thread

from actions.contracts.person import Person
from bot.database.store import Store
from bot.runs.advance import cancelled
from bot.runs.decisions import with_decision
from bot.runs.run import Decision, Run

log = logging.getLogger(__name__)


async def record(repository_id: int, name: str, store: Store, clock: Callable[[], datetime]) -> None:
    """Record a repository's name, and end the open runs that cannot go on under it.

    Those of another repository that had the name end without a word on GitHub, because their issues are gone. Those of
    this repository under an earlier name are cancelled on their issues, because jobs and storage still use that name.
    """
    now = clock()

    def replaced(run: Run) -> Run:
        return cancelled(run, now, f"{name} was deleted, and another repository has its name")

    def renamed(run: Run) -> Run:
        reason = f"the repository was renamed to {name}"
        return with_decision(
            run, Decision(who=Person(login="GitHub"), what="cancel", when=now, attempt=run.attempt, reason=reason)
        )

    log.warning("%s is now repository %d: open runs under its earlier name or id end", name, repository_id)

    def store_name() -> None:
        store.repositories.record(repository_id, name, replaced=replaced, renamed=renamed)

    await to_thread.run_sync(store_name)
