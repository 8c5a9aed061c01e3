"""Works off what waits: deliveries of the inbox, and runs that are due.

One task a repository handles its deliveries in order, one task a run takes it from state to state; so one repository's
trouble never stops another's run.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Coroutine, Hashable
from datetime import UTC, datetime, timedelta
from typing import Any

from anyio import to_thread

from actions.operation import ErrorBody, OperationError
from actions.storage import Storage
from bot import faults
from bot.delivery import Delivery
from bot.effects import Effects
from bot.github import GitHub, HubError
from bot.intake import Intake
from bot.pipeline import TABLE, Run, StageError, Step, advance
from bot.settings import Settings
from bot.states import HANDLERS
from bot.store import StaleRunError, Store

log = logging.getLogger(__name__)

LONGEST_SLEEP = 30.0
"""Seconds after which the worker looks at its tables again, whatever happens."""
MOST_AT_ONCE = 20
"""Runs and repositories worked on at the same time."""


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


class Worker:
    """The App's one background task.

    Parameters
    ----------
    store, github, settings
        The database, the gateway, the App's settings.
    wake
        Set by the webhook when something was stored.
    clock
        Says what time it is (UTC); tests hand in their own.
    """

    def __init__(
        self,
        store: Store,
        github: GitHub,
        settings: Settings,
        wake: asyncio.Event,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._github = github
        self._settings = settings
        self._storage = Storage(settings.storage_root)
        self._wake = wake
        self._clock = clock
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self._wake.clear()
                await self._start_what_is_due()
                await self._sleep()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _sleep(self) -> None:
        """Sleep until something is stored, due or done."""
        due = await to_thread.run_sync(self._store.next_due)
        seconds = LONGEST_SLEEP
        if due is not None and not self._tasks:
            seconds = min(seconds, max((due - self._clock()).total_seconds(), 0.01))
        elif self._tasks:
            seconds = min(seconds, 1.0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)

    async def _start_what_is_due(self) -> None:
        now = self._clock()
        by_repository: dict[str, list[Delivery]] = {}
        for delivery in await to_thread.run_sync(self._store.waiting_deliveries, now):
            by_repository.setdefault(delivery.repository or "", []).append(delivery)
        for repository, deliveries in by_repository.items():
            self._start(("inbox", repository), functools.partial(self._handle_all, deliveries))
        for key in await to_thread.run_sync(self._store.due_runs, now):
            self._start(key, functools.partial(self._carry_on, *key))

    def _start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if key in self._tasks or len(self._tasks) >= MOST_AT_ONCE:
            return
        task = asyncio.create_task(work())
        self._tasks[key] = task
        task.add_done_callback(lambda done: self._finished(key, done))

    def _finished(self, key: Hashable, task: asyncio.Task[None]) -> None:
        del self._tasks[key]
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the worker broke: %s", key, exc_info=task.exception())
        self._wake.set()

    # --- deliveries --------------------------------------------------------------------------------------------------

    async def _handle_all(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            await self._handle(delivery)

    async def _handle(self, delivery: Delivery) -> None:
        faults.reached(f"{delivery.event}.before")
        intake = Intake(self._store, self._github, self._settings, self._clock)
        try:
            await intake.handle(delivery)
        except Exception as error:  # the outermost edge: one bad delivery must not stop the others
            dead = await to_thread.run_sync(self._store.delivery_failed, delivery.id, str(error), self._clock())
            log.exception("delivery %s (%s) failed%s", delivery.id, delivery.event, ", for good" if dead else "")
            if dead:
                await intake.say_dead(delivery)
            return
        faults.reached(f"{delivery.event}.after")
        await to_thread.run_sync(self._store.delivery_done, delivery.id)

    # --- runs --------------------------------------------------------------------------------------------------------

    async def _carry_on(self, repository: str, run_id: str) -> None:
        """Take a run through its states until it has to wait."""
        run = await to_thread.run_sync(self._store.claim, repository, run_id)
        waits = False
        while not run.ended and not waits:
            step = await self._step(run)
            faults.reached(f"{run.state}.after")
            try:
                run = await to_thread.run_sync(self._store.save, advance(step, self._clock(), self._settings.time_factor))
            except StaleRunError:
                run = await to_thread.run_sync(self._store.claim, repository, run_id)
            else:
                waits = run.due is None or run.due > self._clock()
                log.info("run %s: %s, %s", run.id, step.run.state, step.outcome or "waits")

    async def _step(self, run: Run) -> Step:
        """Let the present state do its work; whatever goes wrong in it counts as its error."""
        faults.reached(f"{run.state}.before")
        row = TABLE[run.state]
        limit = None if row.stage or row.time_out is None else row.time_out.total_seconds() * self._settings.time_factor
        try:
            async with asyncio.timeout(limit):
                repository = self._github.repository(run.repository, run.installation)
                fx = Effects(repository, self._store, self._storage, self._settings, self._clock)
                if run.cancel is not None and row.cancellable:
                    await fx.stop(run)
                    return Step(run.but(decisions=(*run.decisions, run.cancel)), "cancel")
                return await HANDLERS[run.state](run, fx)
        except (OperationError, TimeoutError, OSError) as error:
            log.warning("run %s: %s failed: %s", run.id, run.state, error)
            return _after_trouble(run, error)
        except StaleRunError:
            raise
        except Exception as error:  # the outermost edge: a run with a bug in its way ends as failed, and says so
            log.exception("run %s: %s broke", run.id, run.state)
            return _after_trouble(run, error)


def _after_trouble(run: Run, error: Exception) -> Step:
    """Decide what follows where a state's own work failed (not its stage's).

    Where a stage runs, or a person is waited for, the world goes on: look again. Elsewhere it is the state's error.
    """
    if TABLE[run.state].retries == 0 or TABLE[run.state].stage is not None:
        passes = isinstance(error, HubError) and error.transient
        return Step(run, again=timedelta(seconds=10 if passes else 60))
    body = error.body if isinstance(error, OperationError) else None
    if body is None:
        body = ErrorBody(
            kind="internal",
            reason="internal_error",
            rule=f"{run.state} has to come to its end.",
            found=f"{type(error).__name__}: {error}"[:500],
            next_step="Look at the App's log; open a new issue to try again.",
        )
    return Step(run.but(error=run.error or StageError(stage=run.state.value, body=body)), "error")
