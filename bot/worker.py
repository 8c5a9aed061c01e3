"""Works off what waits: deliveries of the inbox, and runs that are due.

One task a repository handles its deliveries in order, one task a run takes it from state to state; so one repository's
trouble never stops another's run.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Coroutine, Hashable, Sequence
from datetime import datetime, timedelta
from typing import Any

from anyio import to_thread

from actions.operation import ErrorBody, OperationError
from actions.storage import Storage
from bot import faults
from bot.clock import utc_now
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
LONGEST_PAUSE = timedelta(minutes=2)
LONGEST_OUTAGE = timedelta(hours=12)
"""So long a delivery waits for GitHub to answer again."""
MOST_AT_ONCE = 20
"""Runs and repositories worked on at the same time."""


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
            # Not wait_for: in Python 3.11 it loses a cancellation that comes at the moment of waking.
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _start_what_is_due(self) -> None:
        now = self._clock()
        by_repository: dict[str, list[str]] = {}
        for repository, delivery in await to_thread.run_sync(self._store.waiting_deliveries, now):
            by_repository.setdefault(repository, []).append(delivery)
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
        if task.cancelled():
            return
        if task.exception() is None:
            self._wake.set()
        else:  # the database does not take anything, say: it is not asked again at once
            log.error("a task of the worker broke: %s", key, exc_info=task.exception())

    # --- deliveries --------------------------------------------------------------------------------------------------

    async def _handle_all(self, deliveries: Sequence[str]) -> None:
        for delivery_id in deliveries:
            delivery = await to_thread.run_sync(self._store.delivery, delivery_id)
            if delivery is not None:
                await self._handle(delivery)

    async def _handle(self, delivery: Delivery) -> None:
        faults.reached(f"{delivery.event}.before")
        intake = Intake(self._store, self._github, self._settings, self._clock)
        try:
            await intake.handle(delivery)
        except Exception as error:  # noqa: BLE001 - the outermost edge: one bad delivery must not stop the others
            await self._put_off(delivery, error, intake)
            return
        faults.reached(f"{delivery.event}.after")
        await to_thread.run_sync(self._store.delivery_done, delivery.id)

    async def _put_off(self, delivery: Delivery, error: Exception, intake: Intake) -> None:
        """Handle a delivery later; one that fails by itself, time and again, is a dead letter, and a person is told."""
        now, waited = self._clock(), self._clock() - delivery.received_at
        if passes(error) and waited < LONGEST_OUTAGE:
            log.warning("delivery %s (%s) waits for GitHub: %s", delivery.id, delivery.event, error)
            due = now + pause(error, waited) * self._settings.time_factor
            await to_thread.run_sync(self._store.put_delivery_off, delivery.id, str(error), due)
            return
        dead = await to_thread.run_sync(self._store.delivery_failed, delivery.id, str(error), now)
        log.error("delivery %s (%s) failed%s", delivery.id, delivery.event, " for good" if dead else "", exc_info=error)
        if dead:
            await intake.say_dead(delivery)

    # --- runs --------------------------------------------------------------------------------------------------------

    async def _carry_on(self, repository: str, run_id: str) -> None:
        """Take a run through its states until it has to wait."""
        run = await to_thread.run_sync(self._store.claim, repository, run_id)
        # Late news of a workflow run that failed does not shorten the pause before the next one is sent.
        waits = run.send and run.due is not None and run.due > self._clock()
        while not run.ended and not waits:
            try:
                step = await self._step(run)
                faults.reached(f"{run.state}.after")
                run = await to_thread.run_sync(
                    self._store.save, advance(step, self._clock(), self._settings.time_factor)
                )
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
        repository = self._github.repository(run.repository, run.installation)
        fx = Effects(run, repository, self._store, self._storage, self._settings, self._clock)
        try:
            async with asyncio.timeout(limit):
                if run.cancel is not None and row.cancellable:
                    await fx.stop(run)
                    return Step(run.but(decisions=(*run.decisions, run.cancel)), "cancel")
                return await HANDLERS[run.state](run, fx)
        except StaleRunError:
            raise
        except (OperationError, TimeoutError, OSError) as error:
            log.warning("run %s: %s failed: %s", run.id, run.state, error)
            return self._after_trouble(fx.run, error)
        except Exception as error:  # the outermost edge: a run with a bug in its way ends as failed, and says so
            log.exception("run %s: %s broke", run.id, run.state)
            return self._after_trouble(fx.run, error)

    def _after_trouble(self, run: Run, error: Exception) -> Step:
        """Decide what follows where a state's own work failed (not its stage's).

        Trouble that passes is waited for: where a stage runs or a person is asked, as long as it takes; elsewhere until the
        time of this try is over. Anything else is the state's error.
        """
        row, stayed = TABLE[run.state], (self._clock() - run.entered) / self._settings.time_factor
        if passes(error) and (row.stage or row.time_out is None or stayed < row.time_out * (run.tries + 1)):
            return Step(run, again=pause(error, stayed))
        kept = run.but(error=StageError(stage=row.stage or run.state.value, body=_body_of(run, error)))
        if row.stage:
            return Step(kept, "refused")
        return Step(kept, "error") if "error" in row.next or row.retries else Step(run, again=LONGEST_PAUSE)


def passes(error: Exception) -> bool:
    """Tell whether trouble is likely to pass by itself."""
    return isinstance(error, TimeoutError | OSError) or (isinstance(error, HubError) and error.transient)


def pause(error: Exception, waited: timedelta) -> timedelta:
    """Return how long to leave things alone: as long as GitHub says, else about as long as it has lasted already."""
    if isinstance(error, HubError) and error.retry_after:
        return timedelta(seconds=error.retry_after)
    return min(max(waited / 2, timedelta(seconds=5)), LONGEST_PAUSE)


def _body_of(run: Run, error: Exception) -> ErrorBody:
    if isinstance(error, OperationError):
        return error.body
    return ErrorBody(
        kind="internal",
        reason="internal_error",
        rule=f"{run.state} has to come to its end.",
        found=f"{type(error).__name__}: {error}"[:500],
        next_step="Look at the App's log; open a new issue to try again.",
    )
