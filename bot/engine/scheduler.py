"""The schedules of the repositories: kept as their configurations say, and fired into the inbox when their slots come."""

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

PAUSE = 15.0
"""Seconds between two looks at what is due: so late a slot may be."""


class Scheduler:
    """Fires what is due; several replicas may do so at once.

    Parameters
    ----------
    store
        The database.
    wake
        Set where the worker finds something to do.
    clock
        Says what time it is (UTC); tests hand in their own.
    """

    def __init__(self, store: Store, wake: asyncio.Event, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._schedules = Schedules(store.database)
        self._wake = wake
        self._clock = clock

    async def run(self) -> None:
        """Look, and look again, until cancelled."""
        while True:
            try:
                fired = await to_thread.run_sync(self._schedules.fire, self._clock(), self._hand_over)
            except SQLAlchemyError as error:
                log.warning("schedules are looked at again later: %s", error)
            else:
                if fired:
                    log.info("schedules fired: %s", ", ".join(fired))
                    self._wake.set()
            await asyncio.sleep(PAUSE)

    def _hand_over(self, slot: Slot) -> None:
        """Put the slot into the inbox, which knows it by its id; before it is over, so that a crash loses none."""
        installation, _, rest = slot.name.partition("/")
        repository, _, name = rest.rpartition("/")
        self._store.inbox.add(synthetic.for_slot(repository, int(installation), name, slot.at, self._clock()))


async def keep(repository: Repository, installation: int, schedules: Schedules, now: datetime) -> None:
    """Have the repository's schedules be those of its configuration; where that is broken they stay as they were."""
    try:
        config = await read_config(repository)
    except ConfigError as error:
        if error.body.reason != "config_missing":
            log.info("%s: the schedules stay as they were: %s", repository.name, error)
            return
        wanted: dict[str, str] = {}
    else:
        wanted = {f"{installation}/{repository.name}/{one.name}": one.cron for one in config.schedules}

    def settle() -> None:
        for name in schedules.names(f"{installation}/{repository.name}/"):
            if name not in wanted:
                log.info("%s: a schedule was removed", name)
                schedules.remove(name)
        for name, cron in wanted.items():
            schedules.set(name, cron, now)

    await to_thread.run_sync(settle)


def forget_all_but(repositories: Collection[tuple[int, str]], schedules: Schedules) -> None:
    """Remove the schedules of repositories that the App is not installed on any more."""
    kept = tuple(f"{installation}/{name}/" for installation, name in repositories)
    for name in schedules.names():
        if not name.startswith(kept):
            log.info("%s: the App is not there any more", name)
            schedules.remove(name)
