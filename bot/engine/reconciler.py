"""Puts right what events alone cannot: at every start and every few minutes the App looks for what it has missed.

Each look asks GitHub and the database afresh and is safe to repeat. One part's trouble never stops the others: it is
logged, and that part is tried again with the next look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from actions.errors import OperationError
from bot.clock import utc_now
from bot.database.leases import Leases
from bot.database.schedules import Schedules
from bot.database.store import Store
from bot.engine import scheduler as scheduled
from bot.engine.repository_reconciler import Comparison
from bot.github import GitHub
from bot.settings import Settings
from bot.webhooks.redelivery import RETENTION, to_redeliver

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=5)
"""How long after a look the next one begins."""
HANDLED_RETENTION = 2 * RETENTION
"""So long the inbox remembers a delivery that was handled: GitHub may send it again meanwhile."""


class Reconciler:
    """The App's second background task.

    Parameters
    ----------
    store, github, settings
        The database, the gateway, the App's settings.
    wake
        Set where the worker finds something to do.
    leases
        This replica's part in the work: one replica at a time looks.
    clock
        Says what time it is (UTC); tests hand in their own.
    """

    def __init__(
        self,
        store: Store,
        github: GitHub,
        settings: Settings,
        wake: asyncio.Event,
        leases: Leases,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._schedules = Schedules(store.database)
        self._github = github
        self._settings = settings
        self._wake = wake
        self._leases = leases
        self._clock = clock
        self._looked: dict[str, datetime] = {}
        """When each repository was last looked at, to the end."""

    async def run(self) -> None:
        """Look, and look again, until cancelled."""
        while True:
            try:
                await self._look_alone()
            except SQLAlchemyError as error:
                log.warning("reconciling is tried again later: %s", error)
            await asyncio.sleep(EVERY.total_seconds() * self._settings.time_factor)

    async def _look_alone(self) -> None:
        if await to_thread.run_sync(self._leases.take, "reconcile"):
            try:
                await self.look()
            finally:
                await to_thread.run_sync(self._leases.release, "", "reconcile")

    async def look(self) -> None:
        """Look at everything once."""
        for part in (self._missed_webhooks, self._handled_webhooks, self._locks, self._repositories):
            try:
                await part()
            except OperationError as error:
                log.warning("reconciling: %s is tried again with the next look: %s", part.__name__.strip("_"), error)
            except Exception:
                # The outermost edge: what one part stumbles over must not keep the others from their work.
                log.exception("reconciling: %s broke, and is tried again with the next look", part.__name__.strip("_"))
        self._wake.set()

    async def _missed_webhooks(self) -> None:
        """Have delivered again what failed: GitHub itself tries once."""
        if self._settings.poll:
            return
        now = self._clock()
        failed = await self._github.failed_deliveries(now - RETENTION)
        arrived = await to_thread.run_sync(self._store.inbox.known, {attempt.guid for attempt in failed})
        for attempt in to_redeliver(failed, arrived, now, self._settings.time_factor):
            log.info("webhook missed: the attempt %d is made again", attempt)
            await self._github.redeliver(attempt)

    async def _handled_webhooks(self) -> None:
        """Forget what was handled long ago, so that the inbox does not grow for ever."""
        await to_thread.run_sync(self._store.inbox.delete_done, self._clock() - HANDLED_RETENTION)

    async def _locks(self) -> None:
        """Free what no open run holds."""
        for repository, model in await to_thread.run_sync(self._store.locks.free_orphaned):
            log.warning("the lock of %s in %s was nobody's and is free again", model, repository)

    async def _repositories(self) -> None:
        """Compare each repository's runs with GitHub; one repository's trouble never stops another's."""
        seen: list[tuple[int, str]] = []
        all_seen = True
        for installation, account in await self._github.installations():
            try:
                names = await self._github.installed_repositories(installation)
            except OperationError as error:  # suspended, say
                log.warning("the installation of %s could not be looked at: %s", account, error)
                all_seen = False
                continue
            seen += [(installation, name) for name in names]
            for name in names:
                try:
                    await self._compare(name, installation)
                except OperationError as error:
                    log.warning("%s could not be compared with GitHub, and is with the next look: %s", name, error)
        if all_seen:
            await to_thread.run_sync(scheduled.forget_all_but, seen, self._schedules)

    async def _compare(self, repository: str, installation: int) -> None:
        began = self._clock()
        gateway = self._github.repository(repository, installation)
        await scheduled.keep(gateway, installation, self._schedules, began)
        comparison = Comparison(
            gateway,
            installation,
            store=self._store,
            settings=self._settings,
            clock=self._clock,
        )
        await comparison.look(self._looked.get(repository))
        self._looked[repository] = began
        self._wake.set()
