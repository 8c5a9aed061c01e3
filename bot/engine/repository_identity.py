"""What happens to runs when a repository is renamed, or another one gets its name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from anyio import to_thread

from actions.contracts.person import Person
from actions.errors import Unavailable
from bot.database.repositories import name_of_replaced
from bot.database.store import Store
from bot.github import HubError, Repository
from bot.messages import notices
from bot.parsing.origin_marker import KEY_LIFETIME
from bot.parsing.repository_config import language_of
from bot.runs.advance import cancelled
from bot.runs.decisions import with_decision
from bot.runs.run import Decision, Run

log = logging.getLogger(__name__)


async def record(
    repository: Repository, repository_id: int, store: Store, storage_root: Path, clock: Callable[[], datetime]
) -> None:
    """Record a repository's name, and end the open runs that cannot go on under it.

    Those of another repository that had the name end without a word on GitHub, because their issues are gone; its
    storage is set aside, and this repository's people are notified. Those of this repository under an earlier name are
    cancelled on their issues, because jobs and storage still use that name.

    Raises
    ------
    Unavailable
        ``storage_not_set_aside``.
    HubError
        If GitHub cannot be reached to open the issue.
    """
    name, now = repository.name, clock()
    previous = await to_thread.run_sync(store.repositories.holder, name)
    if previous is not None and previous != repository_id:
        aside = name_of_replaced(name, previous)
        await to_thread.run_sync(_set_aside, storage_root, name, aside)
        await _report(repository, previous, aside, now)

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


def _set_aside(storage_root: Path, name: str, aside: str) -> None:
    """Move a storage that belongs to another repository to where no repository's storage can be."""
    folder = storage_root / name
    try:
        if folder.exists():
            folder.rename(storage_root / aside)
    except OSError as error:
        raise Unavailable(
            "storage_not_set_aside",
            rule=f"The storage of the deleted repository {name} must be moved before another one can use the name.",
            found=f"{folder} could not be moved: {error.strerror or error}.",
            next_step=f"Move it to {storage_root / aside}, then retry the event: modelyard inbox --replay all.",
        ) from None


async def _report(repository: Repository, previous: int, aside: str, now: datetime) -> None:
    """Open an issue about a repository that replaced another one, once."""
    language = await language_of(repository)
    title, body = notices.repository_replaced(repository.name, aside, language)
    marker = f"replaced:{previous}"
    try:
        await repository.open_once(marker, marker, now - KEY_LIFETIME, title=title, body=body)
    except HubError as error:
        if error.transient:
            raise
        log.warning(
            "%s replaced repository %d, which could not be reported there: %s", repository.name, previous, error
        )
