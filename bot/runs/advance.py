"""The pure step that takes a run of any kind from one state to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from actions.contracts.person import Person
from bot.runs.machine import END, Outcome
from bot.runs.run import Decision, EndStatus, Run, Visit

RETRY_DELAYS = (timedelta(0), timedelta(seconds=10), timedelta(seconds=30))
"""How long a state waits before its first, second and any later retry."""

_NOTHING_OBSERVED: Mapping[str, object] = {
    "overdue": False, "runner_lost": False, "observed_heartbeat": None, "observed_job": None,
}  # fmt: skip
"""What the App knows about a stage before it has looked at it."""


@dataclass(frozen=True)
class StepResult:
    """What a state's function returns.

    Attributes
    ----------
    run
        The run with everything that the state learned.
    outcome
        How the state's work ended; None while it goes on.
    again
        Without an outcome: when to look at the run again; None: at the next event. With ``error``: the shortest time
        to wait before the retry.
    """

    run: Run
    outcome: Outcome | None = None
    again: timedelta | None = None


def advance(step: StepResult, now: datetime, stretch: float = 1.0) -> Run:
    """Return the run after a step. All waiting times are multiplied by ``stretch``.

    After an ``error``, the run stays in its state while the table grants retries. A cancelled run goes where its
    machine's ``/cancel`` leads, whatever its state achieved.
    """
    run, outcome = step.run, step.outcome
    if outcome is None:
        return run.replace(due=None if step.again is None else now + step.again * stretch)
    if outcome == "error" and run.tries < run.spec.retries:
        return _retry(run, now, step.again or timedelta(0), stretch)
    following = run.machine.after(run.state, outcome)
    if outcome == "cancel":
        run = run.replace(status="cancelled", cancel=None)
    return _enter(run, following, now)


def end(run: Run, status: EndStatus, now: datetime) -> Run:
    """Return the run ended from outside its machine: its request was withdrawn, or the App lost its access."""
    return _enter(run.replace(status=status, cancel=None), run.machine.states(END), now)


def cancelled(run: Run, now: datetime, reason: str) -> Run:
    """Return the run cancelled at once, because the App can no longer write to its repository."""
    if run.ended:
        return run
    decision = Decision(who=Person(login="GitHub"), what="cancel", when=now, attempt=run.attempt, reason=reason)
    return end(run.replace(decisions=(*run.decisions, decision)), run.status or "cancelled", now)


def _retry(run: Run, now: datetime, shortest: timedelta, stretch: float) -> Run:
    delay = max(RETRY_DELAYS[min(run.tries, len(RETRY_DELAYS) - 1)], shortest)
    needs_dispatch = run.spec.stage is not None
    return run.replace(
        tries=run.tries + 1, due=now + delay * stretch, needs_dispatch=needs_dispatch, **_NOTHING_OBSERVED
    )


def _enter(run: Run, state: str, now: datetime) -> Run:
    return run.replace(
        state=state,
        entered=now,
        tries=0,
        due=None if state == END else now,
        needs_dispatch=run.machine.spec(state).dispatches,
        notified=(),
        visits=(*run.visits, Visit(state=run.state, entered=run.entered, left=now)),
        **_NOTHING_OBSERVED,
    )
