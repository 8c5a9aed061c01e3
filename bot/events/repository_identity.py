"""Whether an event is about the repository that has its name now: names can pass to another repository."""

from __future__ import annotations

import logging
from http import HTTPStatus

from anyio import to_thread

from bot.engine.repository_identity import record
from bot.events.router import Event
from bot.github import HubError

log = logging.getLogger(__name__)


async def is_current(event: Event) -> bool:
    """Return whether an event is about the repository that has its name now, and record it if that has changed.

    Events may arrive late and in any order, so GitHub is asked which repository has the name.
    """
    name, repository_id = event.delivery.repository, (event.payload.get("repository") or {}).get("id")
    if not name or not isinstance(repository_id, int) or not event.delivery.installation:
        return True
    store = event.services.store
    if event.delivery.holder == repository_id or await to_thread.run_sync(
        store.repositories.matches, repository_id, name
    ):
        return True
    try:
        current = (await event.repository.info()).id
    except HubError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        current = 0
    if current != repository_id:
        log.warning("delivery %s is about a repository that is no longer %s, and is skipped", event.delivery.id, name)
        return False
    await record(event.repository, repository_id, store, event.services.settings.storage_root, event.services.clock)
    return True
