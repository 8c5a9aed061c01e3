"""State machines as data (pure): the states of one kind of work, what each of them means, and what follows from what.

A kind of work declares its machine in ``bot.runs.machines``. Everything the App does differently from state to state is
a column of that table, so that no other module needs to list states. ``bot.runs.advance`` takes a run along the edges;
``bot.engine.states`` has the function that does the work of each state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal, Protocol

from actions.contracts.channels import Event
from actions.contracts.stage import Stage

END = "End"
"""The last state of every machine. It has no row in a table, since nothing happens in it."""

Outcome = Literal[
    "ok", "error", "refused", "invalid", "unusable", "passed", "rejected", "failed", "left", "none", "approve", "reject", "time-out",
    "exhausted", "cancel",
]  # fmt: skip
"""How a state's work ended. Only ``error`` is retried. ``refused``: the stage itself declined with a reason, so that a
retry could not help. ``unusable``: it declined to begin another attempt, so the one before stands. ``exhausted``: the last retry failed, in a state that has no edge for ``error``."""

Phase = Literal[
    "queued", "preparing", "training", "evaluating", "judging", "asking", "retrying", "finishing", "failing", "invalid",
    "over",
]  # fmt: skip
"""How people see a state: the texts of a run's comment depend on this, never on the state itself."""


class TimedRequest(Protocol):
    """A request that sets the time limit of its longest stage itself."""

    @property
    def timeout_minutes(self) -> int: ...


@dataclass(frozen=True)
class StateSpec:
    """One state: a row of a machine's table.

    Attributes
    ----------
    does
        What happens in the state, in a few words, for the drawing.
    next
        The state that follows each outcome.
    phase
        How people see the state.
    timeout
        How long one try may take: fixed, or computed from the request. None: as long as it takes.
    retries
        How often an ``error`` is retried.
    stages
        The jobs whose end the state waits for.
    dispatches
        Whether entering the state starts a new workflow run.
    cancellable
        Whether ``/cancel`` still has an effect.
    answerable
        Whether an answer to the operator's question is taken. This begins with the verdict, which people see on GitHub
        before they are asked.
    asks_operator
        Whether the operator's question is open: the issue carries the label for it, the comment a deadline.
    waits_for
        What a run that does nothing here waits for.
    notifies
        The event that notification channels receive in this state.
    """

    does: str
    next: Mapping[Outcome, StrEnum]
    phase: Phase
    timeout: timedelta | Callable[[TimedRequest], timedelta] | None = None
    retries: int = 0
    stages: tuple[Stage, ...] = ()
    dispatches: bool = False
    cancellable: bool = True
    answerable: bool = False
    asks_operator: bool = False
    waits_for: Literal["lock", "answer"] | None = None
    notifies: Event | None = None

    @property
    def stage(self) -> Stage | None:
        """The first stage that the state waits for; None where the App does the work itself."""
        return self.stages[0] if self.stages else None

    @property
    def is_over(self) -> bool:
        """Whether nothing but telling people is left to do."""
        return self.phase == "over"

    def timeout_for(self, request: TimedRequest) -> timedelta | None:
        return self.timeout(request) if callable(self.timeout) else self.timeout


_END_SPEC = StateSpec("", {}, "over", cancellable=False)


@dataclass(frozen=True)
class Machine:
    """The states of one kind of work.

    Attributes
    ----------
    name
        The kind of work.
    states
        All states, ``END`` included.
    first
        Where a run begins.
    cancelled
        Where ``/cancel`` leads.
    table
        One row per state except ``END``.
    """

    name: str
    states: type[StrEnum]
    first: StrEnum
    cancelled: StrEnum
    table: Mapping[StrEnum, StateSpec]

    def spec(self, state: str) -> StateSpec:
        return _END_SPEC if state == END else self.table[self.states(state)]

    def after(self, state: str, outcome: Outcome) -> StrEnum:
        """Return the state that follows.

        Raises
        ------
        ValueError
            The table has no edge for the outcome.
        """
        spec = self.spec(state)
        if outcome == "cancel" and spec.cancellable:
            return self.cancelled
        if outcome == "error" and "error" not in spec.next:
            outcome = "exhausted"
        if outcome not in spec.next:
            raise ValueError(f"{state} has no edge for {outcome!r}")
        return spec.next[outcome]

    def mermaid(self) -> str:
        """Return the machine as a Mermaid state diagram."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.first}"]
        for state, spec in self.table.items():
            lines.append(f"    {state} : {spec.does}")
            by_target: dict[StrEnum, list[str]] = {}
            for outcome, target in spec.next.items():
                by_target.setdefault(target, []).append(outcome)
            for target, outcomes in by_target.items():
                goal = "[*]" if target == END else target
                label = "" if outcomes == ["ok"] else f": {' or '.join(outcomes)}"
                lines.append(f"    {state} --> {goal}{label}")
            if spec.retries:
                lines.append(
                    f"    {state} --> {state}: error, {spec.retries} {'retry' if spec.retries == 1 else 'retries'}"
                )
            if spec.cancellable:
                lines.append(f"    {state} --> {self.cancelled}: cancel")
        return "\n".join(lines) + "\n"
