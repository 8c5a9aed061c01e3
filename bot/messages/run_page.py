"""What the texts about a run are written from, and the situation that a run is in (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.messages.markup import FULL, Detail
from bot.messages.words import Words
from bot.runs.machine import Phase
from bot.runs.run import Run
from bot.runs.view import RunView

Situation = Literal[
    "queued", "queued_behind", "preparing", "training", "evaluating", "judging", "no_runner", "asking", "retraining",
    "finishing", "cancelling", "registering", "champion", "candidate", "not_registered", "rejected", "cancelled",
    "invalid", "failed_in_stage", "not_judged", "failed",
]  # fmt: skip
"""What a reader needs to know of a run's phase and status: the first line and the next step depend on it."""

_BY_PHASE: Mapping[Phase, Situation] = {
    "preparing": "preparing",
    "training": "training",
    "evaluating": "evaluating",
    "judging": "judging",
    "asking": "asking",
    "retrying": "retraining",
}


@dataclass(frozen=True)
class RunPage:
    """What the sections of a text about a run are written from.

    Attributes
    ----------
    view
        The run, with what only the moment knows.
    say
        The words of the reader's language.
    detail
        How much of long texts is shown.
    """

    view: RunView
    say: Words
    detail: Detail = FULL

    @property
    def run(self) -> Run:
        return self.view.run


def situation(view: RunView) -> Situation:
    """Return what situation a run is in."""
    run, phase = view.run, view.run.spec.phase
    if run.status is not None or phase in ("invalid", "failing"):
        return _ending(view)
    if run.cancel is not None:
        return "cancelling"
    if phase == "queued":
        return "queued_behind" if view.ahead is not None else "queued"
    if view.unclaimed is not None:
        return "no_runner"
    return _BY_PHASE.get(phase, "finishing")


def _ending(view: RunView) -> Situation:
    """Return the situation of a run whose status is known, or follows from its state."""
    run = view.run
    if run.status == "passed":
        return _passed(view)
    if run.status in ("rejected", "cancelled"):
        return run.status
    if run.status == "invalid" or run.spec.phase == "invalid":
        return "invalid"
    if run.error is not None and run.error.stage:
        return "failed_in_stage"
    return "not_judged" if view.verdict is not None and view.verdict.status == "failed" else "failed"


def _passed(view: RunView) -> Situation:
    if not view.run.spec.is_over:
        return "registering"
    if is_unrecorded(view):
        return "not_registered"
    return "champion" if view.run.promoted else "candidate"


def is_unrecorded(view: RunView) -> bool:
    """Tell whether the run is over and its history could not be written."""
    return view.run.spec.is_over and view.run.history_sha is None
