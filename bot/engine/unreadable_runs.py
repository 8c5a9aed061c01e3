"""The end of a run whose row in the database cannot be read. Only that run ends, and a person is notified."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from anyio import to_thread

from actions.errors import OperationError
from bot.database.store import Store
from bot.engine.backoff import is_transient
from bot.github import GitHub
from bot.messages import notices
from bot.runs.labels import STATE_LABELS, state_label

log = logging.getLogger(__name__)

RETRY_INTERVAL = timedelta(minutes=1)
"""How long to wait for GitHub before people are notified again."""


async def end(repository: str, run_id: str, store: Store, github: GitHub, clock: Callable[[], datetime]) -> None:
    """Notify people on the run's issue, then end the run and release its lock."""
    issue, document = await to_thread.run_sync(store.runs.document, repository, run_id)
    log.error("run %s of %s cannot be read from the database, and ends", run_id, repository)
    known = _fields(document)
    installation = known.get("installation")
    language = "ja" if known.get("language") == "ja" else "en"
    if isinstance(installation, int):
        gateway = github.repository(repository, installation)
        try:
            await gateway.post_once(issue, f"unreadable-{run_id}", notices.run_unreadable(run_id, language))
            await gateway.set_state_label(issue, state_label("failed"), STATE_LABELS)
        except (OperationError, OSError) as error:
            if is_transient(error):
                log.warning("run %s: its issue could not be reached; next attempt in a minute: %s", run_id, error)
                await to_thread.run_sync(store.runs.postpone, repository, run_id, clock() + RETRY_INTERVAL)
                return
            log.warning("run %s: its issue cannot be reached, so nobody was notified: %s", run_id, error)
    await to_thread.run_sync(store.runs.end_unreadable, repository, run_id)


def _fields(document: str) -> dict[str, Any]:
    """Return what can still be read."""
    try:
        fields = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
