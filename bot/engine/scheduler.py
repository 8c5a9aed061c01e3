"""The repositories' schedules: kept in step with their configurations, and fired into the inbox when they are due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import datetime

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from bot.clock import utc_now
from bot.database.schedules import Schedules, Slot
from bot.database.store import Store
from bot.github import Repository
from bot.parsing.repository_config import ConfigError, read_config
from bot.webhooks import synthetic

log = logging.getLogger(__name__)

INTERVAL = 15.0
"""Seconds between two checks: a slot may fire this late."""


class Scheduler:
    """Fires the slots that are due. Several replicas may do so at the same time.

    Parameters
    ----------
    store
        The database.
    wake
        Set when there is work for the worker.
    clock
        Returns the time (UTC).
    """

    def __init__(self, store: Store, wake: asyncio.Event, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._schedules = Schedules(store.database)
        self._wake = wake
        self._clock = clock

    async def run(self) -> None:
        """Check again and again until cancelled."""
        while True:
            try:
                fired = await to_thread.run_sync(self._schedules.fire, self._clock(), self._store_slot)
            except SQLAlchemyError as error:
                log.warning("schedules could not be checked; next attempt in %.0f s: %s", INTERVAL, error)
            else:
                if fired:
                    log.info("schedules fired: %s", ", ".join(fired))
                    self._wake.set()
            await asyncio.sleep(INTERVAL)

    def _store_slot(self, slot: Slot) -> None:
        """Store the slot in the inbox, where its id keeps it from being handled twice."""
        installation, _, rest = slot.name.partition("/")
        repository, _, name = rest.rpartition("/")
        self._store.inbox.add(synthetic.for_slot(repository, int(installation), name, slot.at, self._clock()))


async def update_schedules(repository: Repository, installation: int, schedules: Schedules, now: datetime) -> None:
    """Make the repository's schedules those of its configuration. If that is invalid, they stay as they are."""
    try:
        config = await read_config(repository)
    except ConfigError as error:
        if error.problem.reason != "config_missing":
            log.info("%s: the schedules stay as they are: %s", repository.name, error)
            return
        wanted: dict[str, str] = {}
    else:
        wanted = {f"{installation}/{repository.name}/{schedule.name}": schedule.cron for schedule in config.schedules}

    def update() -> None:
        for name in schedules.names(f"{installation}/{repository.name}/"):
            if name not in wanted:
                log.info("%s: a schedule was removed", name)
                schedules.remove(name)
        for name, cron in wanted.items():
            schedules.set(name, cron, now)

    await to_thread.run_sync(update)


def remove_other_schedules(repositories: Collection[tuple[int, str]], schedules: Schedules) -> None:
    """Remove the schedules of repositories on which the App is no longer installed."""
    kept = tuple(f"{installation}/{name}/" for installation, name in repositories)
    for name in schedules.names():
        if not name.startswith(kept):
            log.info("%s: removed, because the App is no longer installed there", name)
            schedules.remove(name)
