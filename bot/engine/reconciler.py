"""Corrects what events alone cannot: at every start and every few minutes, the App looks for what it has missed.

Each round reads GitHub and the database again and is safe to repeat. A failure in one part never stops the others: it is
logged, and the next round tries that part again.
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
from bot.engine import repository_identity, scheduler
from bot.engine.health import Health
from bot.engine.repository_reconciler import RepositoryReconciler
from bot.github import GitHub
from bot.settings import Settings
from bot.webhooks.redelivery import RETENTION, to_redeliver

log = logging.getLogger(__name__)

INTERVAL = timedelta(minutes=5)
"""The time from the end of a round to the beginning of the next."""
HANDLED_RETENTION = 2 * RETENTION
"""How long the inbox remembers a handled delivery. While GitHub can send it again, it must not be handled twice."""


class Reconciler:
    """The App's second background task, next to the worker.

    Parameters
    ----------
    store, github, settings
        The database, the gateway, the App's settings.
    wake
        Set when there is work for the worker.
    leases
        This replica's leases: one replica reconciles at a time.
    clock
        Returns the time (UTC).
    health
        Where failing parts are noted.
    """

    def __init__(
        self,
        store: Store,
        github: GitHub,
        settings: Settings,
        wake: asyncio.Event,
        leases: Leases,
        clock: Callable[[], datetime] = utc_now,
        health: Health | None = None,
    ) -> None:
        self._store = store
        self._schedules = Schedules(store.database)
        self._github = github
        self._settings = settings
        self._wake = wake
        self._leases = leases
        self._clock = clock
        self._health = health or Health()
        self._reconciled: dict[str, datetime] = {}
        """When each repository's last complete reconciliation began."""

    async def run(self) -> None:
        """Reconcile again and again until cancelled."""
        while True:
            try:
                await self._reconcile_alone()
            except SQLAlchemyError as error:
                log.warning("reconciling failed and will be retried: %s", error)
            await asyncio.sleep(INTERVAL.total_seconds() * self._settings.time_factor)

    async def _reconcile_alone(self) -> None:
        if await to_thread.run_sync(self._leases.take, "reconcile"):
            try:
                await self.reconcile()
            finally:
                await to_thread.run_sync(self._leases.release, "", "reconcile")

    async def reconcile(self) -> None:
        """Run one round."""
        for part in (
            self._missed_webhooks,
            self._handled_webhooks,
            self._unreadable_runs,
            self._locks,
            self._repositories,
        ):
            try:
                await part()
            except OperationError as error:
                log.warning(
                    "reconciling: %s failed and will be retried in the next round: %s", part.__name__.strip("_"), error
                )
            except Exception as error:
                # The outermost edge: a bug in one part must not keep the others from their work.
                log.exception(
                    "reconciling: %s failed unexpectedly and will be retried in the next round",
                    part.__name__.strip("_"),
                )
                self._health.note(f"reconciler {part.__name__.strip('_')}", error)
            else:
                self._health.note(f"reconciler {part.__name__.strip('_')}", None)
        self._wake.set()

    async def _missed_webhooks(self) -> None:
        """Request failed deliveries again, since GitHub itself tries only once."""
        if self._settings.poll:
            return
        now = self._clock()
        failed = await self._github.failed_deliveries(now - RETENTION)
        arrived = await to_thread.run_sync(self._store.inbox.known, {attempt.guid for attempt in failed})
        for attempt in to_redeliver(failed, arrived, now, self._settings.time_factor):
            log.info("webhook missed: requesting attempt %d again", attempt)
            await self._github.redeliver(attempt)

    async def _handled_webhooks(self) -> None:
        """Delete what was handled long ago, so that the inbox does not grow forever."""
        await to_thread.run_sync(self._store.inbox.delete_done, self._clock() - HANDLED_RETENTION)

    async def _unreadable_runs(self) -> None:
        """Have the runs end whose rows cannot be read."""
        await to_thread.run_sync(self._store.runs.wake_unreadable)

    async def _locks(self) -> None:
        """Free the locks that no open run holds."""
        for repository, model in await to_thread.run_sync(self._store.locks.free_orphaned):
            log.warning("the lock of %s in %s was not held by an open run and has been released", model, repository)

    async def _repositories(self) -> None:
        """Reconcile each repository. A failure in one never stops another."""
        installed: list[tuple[int, str]] = []
        is_complete = True
        for installation, account in await self._github.installations():
            try:
                names = await self._github.installed_repositories(installation)
            except OperationError as error:  # suspended, say
                log.warning("the installation on %s could not be read: %s", account, error)
                is_complete = False
                continue
            installed += [(installation, name) for name in names]
            for name, repository_id in names.items():
                try:
                    if not await to_thread.run_sync(self._store.repositories.matches, repository_id, name):
                        gateway, root = self._github.repository(name, installation), self._settings.storage_root
                        await repository_identity.record(gateway, repository_id, self._store, root, self._clock)
                    await self._reconcile_repository(name, installation)
                except OperationError as error:
                    log.warning("%s could not be reconciled; the next round includes it: %s", name, error)
        if is_complete:  # otherwise a repository may merely be unknown at the moment
            await to_thread.run_sync(scheduler.remove_other_schedules, installed, self._schedules)

    async def _reconcile_repository(self, repository: str, installation: int) -> None:
        began = self._clock()
        gateway = self._github.repository(repository, installation)
        await scheduler.update_schedules(gateway, installation, self._schedules, began)
        reconciler = RepositoryReconciler(
            gateway,
            installation,
            store=self._store,
            settings=self._settings,
            clock=self._clock,
        )
        await reconciler.reconcile(self._reconciled.get(repository))
        self._reconciled[repository] = began
        self._wake.set()
