"""Does the App's work: handles the inbox's deliveries and advances the runs that are due.

Each repository's deliveries are handled in order by a task of their own, and each run is driven by a task of its own, so
that a failure in one repository never stops another's run.

Crash safety needs nothing from this process. What it works on stays in the database until it is done, and its leases end
with its heartbeats: after a crash, any replica (or this one, restarted) takes the work over where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from bot import kill_points
from bot.clock import utc_now
from bot.database.leases import HEARTBEAT_INTERVAL, INBOX_WORK, LEASE_TIMEOUT, LeaseLostError, Leases
from bot.database.store import Store
from bot.engine.backoff import backoff, is_transient
from bot.engine.health import Health
from bot.engine.run_driver import RunDriver, StepObserver
from bot.events.installation_changes import follow_installation
from bot.events.intake import Intake
from bot.events.services import TriggerObserver
from bot.github import GitHub, HubError
from bot.observability import log_context
from bot.runs.run import Run
from bot.settings import Settings
from bot.webhooks.delivery import Delivery

log = logging.getLogger(__name__)

MAX_SLEEP = 1.0
"""Seconds after which the worker queries the tables again: another process may have stored something."""
MAX_OUTAGE = timedelta(hours=12)
"""How long a delivery waits for GitHub to become available."""
MAX_CONCURRENCY = 20
"""How many runs and inboxes are worked on at the same time."""
HEARTBEAT_DEADLINE = LEASE_TIMEOUT - HEARTBEAT_INTERVAL
"""Seconds without a stored heartbeat after which a replica stops. This must be sooner than its leases end, so that no two
replicas ever work on the same thing."""


class Worker:
    """The App's one background task; several replicas of it share one database.

    Parameters
    ----------
    store, github, settings
        The database, the gateway, the App's settings.
    wake
        Set by the webhook when something was stored.
    leases
        This replica's leases.
    clock
        Returns the time (UTC).
    step_took
        Called with the state and the duration, in seconds, of each step.
    count_trigger
        Called with the source and the result of each request that did not come from a form.
    health
        Where failing tasks and looks at files are noted.
    """

    def __init__(  # noqa: PLR0913 - the parts that a service makes
        self,
        store: Store,
        github: GitHub,
        settings: Settings,
        wake: asyncio.Event,
        leases: Leases,
        clock: Callable[[], datetime] = utc_now,
        *,
        step_took: StepObserver = lambda *_: None,
        count_trigger: TriggerObserver = lambda *_: None,
        health: Health | None = None,
    ) -> None:
        self._store = store
        self._github = github
        self._settings = settings
        self._wake = wake
        self._clock = clock
        self._leases = leases
        self._count_trigger = count_trigger
        self._health = health or Health()
        self._last_heartbeat = time.monotonic()
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._driver = RunDriver(
            store,
            github,
            settings,
            clock,
            check_alive=self.check_alive,
            has_moved=self._has_moved,
            step_took=step_took,
            looks=self._health.looks,
        )

    async def run(self) -> None:
        """Work until cancelled.

        Raises
        ------
        LeaseLostError
            The database has not accepted this replica's heartbeats for too long.
        """
        await to_thread.run_sync(self._leases.heartbeat)
        self._last_heartbeat = time.monotonic()
        beating = asyncio.create_task(self._keep_beating(), name="heartbeat")
        try:
            while not beating.done():
                self._wake.clear()
                await self._start_what_is_due()
                await self._sleep()
            await beating
        finally:
            beating.cancel()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(beating, *self._tasks.values(), return_exceptions=True)
            with contextlib.suppress(SQLAlchemyError):
                await to_thread.run_sync(self._leases.leave)

    async def _keep_beating(self) -> None:
        """Store a heartbeat every few seconds; end if that has not been possible for too long."""
        try:
            while True:
                await asyncio.sleep(HEARTBEAT_INTERVAL)
                self.check_alive()
                began = time.monotonic()  # before the write: the lease counts from no later than this
                try:
                    await to_thread.run_sync(self._leases.heartbeat)
                except SQLAlchemyError as error:
                    log.warning("the heartbeat of this replica could not be stored: %s", error)
                else:
                    self._last_heartbeat = began
        finally:
            self._wake.set()

    def check_alive(self) -> None:
        """Raise LeaseLostError if this process was suspended or cut off for so long that others may have its work.

        Called before each delivery, each step and each write to GitHub, since a suspended process (SIGSTOP, a paused virtual
        machine) continues in the middle of its code, before its heartbeat task notices anything.
        """
        if time.monotonic() - self._last_heartbeat > HEARTBEAT_DEADLINE:
            raise LeaseLostError

    async def _sleep(self) -> None:
        """Sleep until something is stored, becomes due or is done."""
        seconds = MAX_SLEEP
        if not self._tasks:
            due = await to_thread.run_sync(self._store.next_due)
            if due is not None:
                # If something is due now, another replica is working on it: look again soon, but not in a tight loop.
                seconds = min(seconds, max((due - self._clock()).total_seconds(), 0.02))
        with contextlib.suppress(TimeoutError):
            # Not wait_for: in Python 3.11 it swallows a cancellation that arrives at the moment of waking.
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _start_what_is_due(self) -> None:
        now = self._clock()
        busy = [repository for repository, work in self._tasks if work == INBOX_WORK]
        inboxes = await to_thread.run_sync(self._leases.take_inboxes, now, busy, self._room())
        for repository, deliveries in inboxes.items():
            self._start((repository, INBOX_WORK), functools.partial(self._handle_all, deliveries))
        for key in await to_thread.run_sync(self._leases.take_runs, now, list(self._tasks), self._room()):
            self._start(key, functools.partial(self._driver.drive, *key))

    def _room(self) -> int:
        return MAX_CONCURRENCY - len(self._tasks)

    def _start(self, key: tuple[str, str], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(self._leased(key, work))
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._finished(key, done))

    async def _leased(self, key: tuple[str, str], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        finally:
            await to_thread.run_sync(self._leases.release, *key)

    def _finished(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        del self._tasks[key]
        if task.cancelled():
            return
        error = task.exception()
        self._health.note(" ".join(key), error)
        if error is None:
            self._wake.set()
        else:  # not woken: if the database fails, say, querying it again immediately would not help
            log.error("a task of the worker failed: %s", key, exc_info=error)

    # --- deliveries --------------------------------------------------------------------------------------------------

    async def _handle_all(self, deliveries: Sequence[str]) -> None:
        for delivery_id in deliveries:
            self.check_alive()
            delivery = await to_thread.run_sync(self._store.inbox.to_handle, delivery_id)
            if delivery is not None:
                await self._handle(delivery)

    async def _handle(self, delivery: Delivery) -> None:
        began = time.monotonic()
        kill_points.hit(f"{delivery.event}.before")
        intake = Intake(self._store, self._github, self._settings, self._clock, self._count_trigger)
        try:
            await intake.handle(delivery)
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001 - the outermost edge: one bad delivery must not stop the others
            await self._retry_later(delivery, error, intake)
            return
        kill_points.hit(f"{delivery.event}.after")
        await to_thread.run_sync(self._store.inbox.mark_done, delivery.id)
        log.info("delivery %s (%s) handled", delivery.id, delivery.event, extra=log_context.measured(began, "done"))

    async def _retry_later(self, delivery: Delivery, error: Exception, intake: Intake) -> None:
        """Have a delivery handled again later; after its last attempt, report it as a dead letter."""
        now, waited = self._clock(), self._clock() - delivery.received_at
        if is_transient(error) and waited < MAX_OUTAGE:
            log.warning(
                "delivery %s (%s) is waiting for GitHub: %s",
                delivery.id,
                delivery.event,
                error,
                extra={"status": "waits"},
            )
            due = now + backoff(error, waited) * self._settings.time_factor
            await to_thread.run_sync(self._store.inbox.postpone, delivery.id, str(error), due)
            return
        dead = await to_thread.run_sync(self._store.inbox.mark_failed, delivery.id, str(error), now)
        end = " and is a dead letter" if dead else ""
        extra = {"status": "dead" if dead else "failed"}
        log.error("delivery %s (%s) failed%s", delivery.id, delivery.event, end, exc_info=error, extra=extra)
        if dead:
            await intake.report_dead_letter(delivery)

    # --- runs --------------------------------------------------------------------------------------------------------

    async def _has_moved(self, run: Run) -> bool:
        """Check whether a step failed because the App was removed: GitHub's event about that often comes later."""
        try:
            return await follow_installation(run, self._store, self._github, self._clock)
        except HubError as error:
            log.warning("run %s: cannot check whether the App is still installed: %s", run.id, error)
            return False
