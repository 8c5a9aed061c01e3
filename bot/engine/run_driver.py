"""Takes one run from state to state until it has to wait.

The order is always the same: a state's function does its work in the world, then the run's next state is stored. A crash
in between repeats the work, which is why every effect first looks for what it has done already.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from anyio import to_thread

from actions.errors import OperationError, Problem
from actions.storage.folder import Storage
from bot import kill_points
from bot.database.leases import LeaseLostError
from bot.database.runs import StaleRunError, UnreadableRunError
from bot.database.store import Store
from bot.engine import unreadable_runs
from bot.engine.backoff import MAX_BACKOFF, backoff, is_suspended, is_transient
from bot.engine.effects import workflow
from bot.engine.effects.context import RunContext
from bot.engine.looks import Looks
from bot.engine.states import function_of
from bot.github import GitHub
from bot.observability import log_context
from bot.runs.advance import StepResult, advance
from bot.runs.run import Run, StageError
from bot.settings import Settings

log = logging.getLogger(__name__)

StepObserver = Callable[[str, float], None]
"""Called with the state and the duration, in seconds, of each step."""


class RunDriver:
    """Drives runs, one at a time per call.

    Parameters
    ----------
    store, github, settings
        The database, the gateway, the App's settings.
    clock
        Returns the time (UTC).
    check_alive
        Raises if this process may have lost its lease on the run.
    has_moved
        Tells whether a run's App installation was removed or replaced, and if so changes the run accordingly.
    looks
        How files in the storage are looked at.
    step_took
        See ``StepObserver``.
    """

    def __init__(
        self,
        store: Store,
        github: GitHub,
        settings: Settings,
        clock: Callable[[], datetime],
        *,
        check_alive: Callable[[], None],
        has_moved: Callable[[Run], Awaitable[bool]],
        step_took: StepObserver,
        looks: Looks,
    ) -> None:
        self._store = store
        self._github = github
        self._settings = settings
        self._storage = Storage(settings.storage_root)
        self._clock = clock
        self._check_alive = check_alive
        self._has_moved = has_moved
        self._step_took = step_took
        self._looks = looks

    async def drive(self, repository: str, run_id: str) -> None:
        """Take a run through its states until it has to wait or ends."""
        try:
            run = await self._read(repository, run_id)
        except UnreadableRunError:
            await unreadable_runs.end(repository, run_id, self._store, self._github, self._clock)
            return
        # An event about an old workflow run must not shorten the pause before a retry.
        pauses = run.needs_dispatch or (run.tries > 0 and bool(run.notified))
        waits = pauses and run.due is not None and run.due > self._clock()
        while not run.ended and not waits:
            # Before each step, not only at the start: a process that was suspended in between must not go on with a
            # run that another replica has taken over.
            self._check_alive()
            log_context.about_run(run)
            began = time.monotonic()
            try:
                step = await self._step(run)
                kill_points.hit(f"{run.state}.after")
                if step.run.ended:  # ended by someone else meanwhile
                    return
                following = advance(step, self._clock(), self._settings.time_factor)
                run = await to_thread.run_sync(self._store.runs.save, following)
            except StaleRunError:
                # A command or event changed the run during the step. The step is repeated on the changed run, where its
                # effects find what they have done already.
                run = await self._read(repository, run_id)
                continue
            waits = run.due is None or run.due > self._clock()
            log_context.about_run(run)
            self._step_took(step.run.state, time.monotonic() - began)
            outcome = step.outcome or "waits"
            log.info("run %s: %s, %s", run.id, step.run.state, outcome, extra=log_context.measured(began, outcome))

    async def _read(self, repository: str, run_id: str) -> Run:
        return await to_thread.run_sync(self._store.runs.get, repository, run_id)

    async def _step(self, run: Run) -> StepResult:
        """Let the present state do its work. Whatever goes wrong is an error of the state, never of the worker."""
        kill_points.hit(f"{run.state}.before")
        repository = self._github.repository(run.repository, run.installation)
        context = RunContext(run, repository, self._store, self._storage, self._settings, self._looks, self._clock)
        try:
            async with asyncio.timeout(self._limit(run)):
                if run.cancel is not None and run.spec.cancellable:
                    await workflow.cancel(context, run)
                    return StepResult(run.replace(decisions=(*run.decisions, run.cancel)), "cancel")
                return await function_of(run)(context, run)
        except (StaleRunError, LeaseLostError):
            raise
        except (OperationError, TimeoutError, OSError) as error:
            log.warning("run %s: %s failed: %s", run.id, run.state, error)
            if not run.ended and not is_transient(error) and await self._has_moved(run):
                raise StaleRunError from error
            return self._after_failure(context.run, error)
        except Exception as error:  # the outermost edge: a bug ends the run as failed, and the worker goes on
            log.exception("run %s: %s failed unexpectedly", run.id, run.state)
            return self._after_failure(context.run, error)

    def _limit(self, run: Run) -> float | None:
        """Return the seconds that the App's own work may take. A stage enforces its time limit itself, in its job."""
        if run.spec.stage or run.timeout is None:
            return None
        return run.timeout.total_seconds() * self._settings.time_factor

    def _after_failure(self, run: Run, error: Exception) -> StepResult:
        """Decide what follows when a state's own work (not its stage) failed.

        A failure that passes by itself is waited out: without limit where a stage runs, where a person is asked or where
        the App is suspended; elsewhere until the time of this try is over. Anything else is the state's error.
        """
        if run.ended:
            return StepResult(run)
        spec, stayed = run.spec, (self._clock() - run.entered) / self._settings.time_factor
        is_unlimited = spec.stage or run.timeout is None or is_suspended(error)
        if is_transient(error) and (is_unlimited or (run.timeout and stayed < run.timeout * (run.tries + 1))):
            return StepResult(run, again=backoff(error, stayed))
        # A state that leads to the same place whether it fails or not must not hide the failure that led to it.
        is_minor = "error" in spec.next and spec.next["error"] == spec.next.get("ok") and run.error is not None
        cause = run.error if is_minor else StageError(stage=str(run.state), problem=_problem(run, error))
        failed = run.replace(error=cause)
        if spec.stage:
            return StepResult(failed, "refused")
        if "error" in spec.next or spec.retries:
            return StepResult(failed, "error")
        return StepResult(run, again=MAX_BACKOFF)


def _problem(run: Run, error: Exception) -> Problem:
    if isinstance(error, OperationError):
        return error.problem
    return Problem(
        kind="internal",
        reason="internal_error",
        rule=f"{run.state} must complete.",
        found=f"{type(error).__name__}: {error}"[:500],
        next_step="Check the App's log. Open a new issue to try again.",
    )
