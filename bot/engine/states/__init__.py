"""What each state of a run does: one function per state, in the module named like the kind of work."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from enum import StrEnum

from bot.engine.effects.context import RunContext
from bot.runs.advance import StepResult
from bot.runs.run import Run

StateFunction = Callable[[RunContext, Run], Awaitable[StepResult]]

# Members of different string enumerations may be equal, so that the enumeration itself is part of the key.
_FUNCTIONS: dict[tuple[type[StrEnum], StrEnum], StateFunction] = {}


def state(*states: StrEnum) -> Callable[[StateFunction], StateFunction]:
    """Register the decorated function as the work of one or more states.

    It may run again after a crash, so everything it does must look before it writes.
    """

    def register(function: StateFunction) -> StateFunction:
        _FUNCTIONS.update({(type(member), member): function for member in states})
        return function

    return register


def function_of(run: Run) -> StateFunction:
    """Return the function that does the work of the run's present state."""
    importlib.import_module(f"{__name__}.{run.kind}")
    states = run.machine.states
    return _FUNCTIONS[states, states(run.state)]
