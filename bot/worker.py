"""Works off what waits: deliveries of the inbox, and runs that are due.

One task a repository handles its deliveries in order, one task a run takes it from state to state; so one repository's
trouble never stops another's run.
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

from actions.errors import OperationError, Problem
from actions.storage.folder import Storage
from bot import kill_points
from bot.clock import utc_now
from bot.database.leases import HEARTBEAT_INTERVAL, INBOX_WORK, LEASE_TIMEOUT, Leases
from bot.database.runs import StaleRunError
from bot.database.store import Store
from bot.engine.effects import workflow
from bot.engine.effects.context import RunContext
from bot.engine.states import function_of
from bot.events.doors import Told
from bot.events.installations import Installations
from bot.events.router import Intake
from bot.github import GitHub, HubError
from bot.github.errors import SUSPENDED
from bot.observability import log_context
from bot.runs.advance import StepResult, advance
from bot.runs.run import Run, StageError
from bot.settings import Settings
from bot.webhooks.delivery import Delivery

log = logging.getLogger(__name__)

MAX_SLEEP = 1.0
"""Seconds after which the worker looks at its tables again: another replica may have stored something."""
MAX_BACKOFF = timedelta(minutes=2)
MIN_BACKOFF = timedelta(seconds=5)
RATE_LIMIT_BACKOFF = timedelta(minutes=1), timedelta(minutes=15)
"""The shortest and the longest pause where GitHub limits without saying for how long; it asks for a minute, and more each time."""
MAX_OUTAGE = timedelta(hours=12)
"""So long a delivery waits for GitHub to answer again."""
MAX_CONCURRENCY = 20
"""Runs and repositories worked on at the same time."""
HEARTBEAT_DEADLINE = LEASE_TIMEOUT - HEARTBEAT_INTERVAL
"""Seconds without a sign of life that could be stored, after which a replica stops: others will take its work over."""


class LeaseLostError(Exception):
    """Raised where a replica could not say in time that it lives: its work is others' by now."""


class Worker:
    """The App's one background task; several replicas of it share one database.

    Parameters
    ----------
    store, github, settings
        The database, the gateway, the App's settings.
    wake
        Set by the webhook when something was stored.
    leases
        This replica's part in the work.
    clock
        Says what time it is (UTC); tests hand in their own.
    step_took
        Is told how many seconds each step took, in which state.
    door_used
        Is told what became of each request that came by another door than the form.
    """

    def __init__(
        self,
        store: Store,
        github: GitHub,
        settings: Settings,
        wake: asyncio.Event,
        leases: Leases,
        clock: Callable[[], datetime] = utc_now,
        step_took: Callable[[str, float], None] = lambda *_: None,
        door_used: Told = lambda *_: None,
    ) -> None:
        self._store = store
        self._github = github
        self._settings = settings
        self._storage = Storage(settings.storage_root)
        self._wake = wake
        self._clock = clock
        self._leases = leases
        self._step_took = step_took
        self._door_used = door_used
        self._heard = time.monotonic()
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until cancelled.

        Raises
        ------
        LeaseLostError
            The database has not taken this replica's signs of life for too long.
        """
        await to_thread.run_sync(self._leases.beat)
        self._heard = time.monotonic()
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
        """Say every few seconds that this replica lives; end where that is not heard any more."""
        try:
            while True:
                await asyncio.sleep(HEARTBEAT_INTERVAL)
                self._check_alive()
                began = time.monotonic()
                try:
                    await to_thread.run_sync(self._leases.beat)
                except SQLAlchemyError as error:
                    log.warning("the database does not take this replica's sign of life: %s", error)
                else:
                    self._heard = began
        finally:
            self._wake.set()

    def _check_alive(self) -> None:
        """Raise LeaseLostError where this process was stopped or cut off for so long that others may have its work."""
        if time.monotonic() - self._heard > HEARTBEAT_DEADLINE:
            raise LeaseLostError

    async def _sleep(self) -> None:
        """Sleep until something is stored, due or done."""
        seconds = MAX_SLEEP
        if not self._tasks:
            due = await to_thread.run_sync(self._store.next_due)
            if due is not None:
                # What is due already is another replica's.
                seconds = min(seconds, max((due - self._clock()).total_seconds(), 0.02))
        with contextlib.suppress(TimeoutError):
            # Not wait_for: in Python 3.11 it loses a cancellation that comes at the moment of waking.
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _start_what_is_due(self) -> None:
        now = self._clock()
        busy = [repository for repository, work in self._tasks if work == INBOX_WORK]
        inboxes = await to_thread.run_sync(self._leases.inboxes, now, busy, self._room())
        for repository, deliveries in inboxes.items():
            self._start((repository, INBOX_WORK), functools.partial(self._handle_all, deliveries))
        for key in await to_thread.run_sync(self._leases.runs, now, list(self._tasks), self._room()):
            self._start(key, functools.partial(self._carry_on, *key))

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
        if task.exception() is None:
            self._wake.set()
        else:  # the database does not take anything, say: it is not asked again at once
            log.error("a task of the worker broke: %s", key, exc_info=task.exception())

    # --- deliveries --------------------------------------------------------------------------------------------------

    async def _handle_all(self, deliveries: Sequence[str]) -> None:
        for delivery_id in deliveries:
            self._check_alive()
            delivery = await to_thread.run_sync(self._store.inbox.to_handle, delivery_id)
            if delivery is not None:
                await self._handle(delivery)

    async def _handle(self, delivery: Delivery) -> None:
        began = time.monotonic()
        kill_points.hit(f"{delivery.event}.before")
        intake = Intake(self._store, self._github, self._settings, self._clock, self._door_used)
        try:
            await intake.handle(delivery)
        except Exception as error:  # noqa: BLE001 - the outermost edge: one bad delivery must not stop the others
            await self._put_off(delivery, error, intake)
            return
        kill_points.hit(f"{delivery.event}.after")
        await to_thread.run_sync(self._store.inbox.mark_done, delivery.id)
        log.info("delivery %s (%s) handled", delivery.id, delivery.event, extra=_measured(began, "done"))

    async def _put_off(self, delivery: Delivery, error: Exception, intake: Intake) -> None:
        """Handle a delivery later; one that fails by itself, time and again, is a dead letter, and a person is told."""
        now, waited = self._clock(), self._clock() - delivery.received_at
        if passes(error) and waited < MAX_OUTAGE:
            log.warning(
                "delivery %s (%s) waits for GitHub: %s", delivery.id, delivery.event, error, extra={"status": "waits"}
            )
            due = now + pause(error, waited) * self._settings.time_factor
            await to_thread.run_sync(self._store.inbox.postpone, delivery.id, str(error), due)
            return
        dead = await to_thread.run_sync(self._store.inbox.mark_failed, delivery.id, str(error), now)
        end = " for good" if dead else ""
        extra = {"status": "dead" if dead else "failed"}
        log.error("delivery %s (%s) failed%s", delivery.id, delivery.event, end, exc_info=error, extra=extra)
        if dead:
            await intake.say_dead(delivery)

    # --- runs --------------------------------------------------------------------------------------------------------

    async def _carry_on(self, repository: str, run_id: str) -> None:
        """Take a run through its states until it has to wait."""
        run = await to_thread.run_sync(self._store.runs.get, repository, run_id)
        # Late news of a workflow run does not shorten the pause before the next one is sent, or a channel is told again.
        pauses = run.needs_dispatch or (run.tries > 0 and bool(run.notified))
        waits = pauses and run.due is not None and run.due > self._clock()
        while not run.ended and not waits:
            self._check_alive()
            log_context.about_run(run)
            began = time.monotonic()
            try:
                step = await self._step(run)
                kill_points.hit(f"{run.state}.after")
                if step.run.ended:  # it was ended from elsewhere meanwhile
                    return
                run = await to_thread.run_sync(
                    self._store.runs.save, advance(step, self._clock(), self._settings.time_factor)
                )
            except StaleRunError:
                run = await to_thread.run_sync(self._store.runs.get, repository, run_id)
            else:
                waits = run.due is None or run.due > self._clock()
                log_context.about_run(run)
                self._step_took(step.run.state, time.monotonic() - began)
                outcome = step.outcome or "waits"
                log.info("run %s: %s, %s", run.id, step.run.state, outcome, extra=_measured(began, outcome))

    async def _step(self, run: Run) -> StepResult:
        """Let the present state do its work; whatever goes wrong in it counts as its error."""
        kill_points.hit(f"{run.state}.before")
        # A stage enforces its time limit itself, in its job: here only the App's own work is limited.
        limit = (
            None if run.spec.stage or run.timeout is None else run.timeout.total_seconds() * self._settings.time_factor
        )
        repository = self._github.repository(run.repository, run.installation)
        context = RunContext(run, repository, self._store, self._storage, self._settings, self._clock)
        try:
            async with asyncio.timeout(limit):
                if run.cancel is not None and run.spec.cancellable:
                    await workflow.cancel(context, run)
                    return StepResult(run.replace(decisions=(*run.decisions, run.cancel)), "cancel")
                return await function_of(run)(context, run)
        except StaleRunError:
            raise
        except (OperationError, TimeoutError, OSError) as error:
            log.warning("run %s: %s failed: %s", run.id, run.state, error)
            if await self._has_moved(run, error):
                raise StaleRunError from error
            return self._after_trouble(context.run, error)
        except Exception as error:  # the outermost edge: a run with a bug in its way ends as failed, and says so
            log.exception("run %s: %s broke", run.id, run.state)
            return self._after_trouble(context.run, error)

    async def _has_moved(self, run: Run, error: Exception) -> bool:
        """Check whether a step failed because the App was removed: GitHub's event about that often comes later."""
        if run.ended or passes(error):
            return False
        try:
            return await Installations(self._store, self._github, self._clock).has_moved(run)
        except HubError as unknown:
            log.warning("run %s: cannot check whether the App is still installed: %s", run.id, unknown)
            return False

    def _after_trouble(self, run: Run, error: Exception) -> StepResult:
        """Decide what follows where a state's own work failed (not its stage's).

        Trouble that passes is waited for: where a stage runs or a person is asked, or the App is suspended, as long as it
        takes; elsewhere until the time of this try is over. Anything else is the state's error.
        """
        if run.ended:
            return StepResult(run)
        spec, stayed = run.spec, (self._clock() - run.entered) / self._settings.time_factor
        no_limit = spec.stage or run.timeout is None or is_suspended(error)
        if passes(error) and (no_limit or (run.timeout and stayed < run.timeout * (run.tries + 1))):
            return StepResult(run, again=pause(error, stayed))
        kept = run.replace(error=StageError(stage=spec.stage or str(run.state), body=_body_of(run, error)))
        if spec.stage:
            return StepResult(kept, "refused")
        return StepResult(kept, "error") if "error" in spec.next or spec.retries else StepResult(run, again=MAX_BACKOFF)


def _measured(began: float, status: str) -> dict[str, object]:
    """Return the fields of a log line about something that took its time."""
    return {"duration_ms": round((time.monotonic() - began) * 1_000), "status": status}


def passes(error: Exception) -> bool:
    """Tell whether trouble is likely to pass by itself."""
    return isinstance(error, TimeoutError | OSError) or (isinstance(error, HubError) and error.transient)


def is_suspended(error: Exception) -> bool:
    """Tell whether the App is shut out until an account's owner lets it in again."""
    return isinstance(error, HubError) and error.body.reason == SUSPENDED


def pause(error: Exception, waited: timedelta) -> timedelta:
    """Return how long to leave things alone: as long as GitHub says, else about as long as it has lasted already."""
    if isinstance(error, HubError) and error.retry_after:
        return timedelta(seconds=error.retry_after)
    is_limit = isinstance(error, HubError) and error.body.reason == "rate_limited"
    shortest, longest = RATE_LIMIT_BACKOFF if is_limit else (MIN_BACKOFF, MAX_BACKOFF)
    return min(max(waited, shortest) if is_limit else max(waited / 2, shortest), longest)


def _body_of(run: Run, error: Exception) -> Problem:
    if isinstance(error, OperationError):
        return error.body
    return Problem(
        kind="internal",
        reason="internal_error",
        rule=f"{run.state} has to come to its end.",
        found=f"{type(error).__name__}: {error}"[:500],
        next_step="Look at the App's log; open a new issue to try again.",
    )
