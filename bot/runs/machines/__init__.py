"""One module per kind of work: its states and their table, as ``MACHINE``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from bot.runs.machine import Machine, StateSpec


def _load() -> dict[str, Machine]:
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return {module.MACHINE.name: module.MACHINE for module in modules}


MACHINES = _load()
"""The machines by the kind of work."""


def states_where(condition: Callable[[StateSpec], bool]) -> list[str]:
    """Return the states of all machines whose row meets a condition."""
    return [str(state) for machine in MACHINES.values() for state, spec in machine.table.items() if condition(spec)]
