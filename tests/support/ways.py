"""The states that a training run goes through, by how it ends: walks along the machine's table."""

from __future__ import annotations

from bot.runs.machine import Outcome
from bot.runs.machines.training import MACHINE, State


def walk(*outcomes: Outcome, start: State = State.QUEUED) -> list[State]:
    """Return the states that a run passes: the first, and the one that follows each outcome."""
    states = [start]
    for outcome in outcomes:
        states.append(State(MACHINE.after(states[-1], outcome)))
    return states


HAPPY = walk("ok", "ok", "ok", "ok", "passed", "ok", "passed", "ok")
UNHAPPY_END = walk("ok", "failed", "ok", start=State.ROLLBACK_MODEL)
REJECTED = walk("ok", "ok", "ok", "ok", "rejected")
ASKED = [*REJECTED, *walk("ok", start=State.NOTIFY_OPERATOR)]
