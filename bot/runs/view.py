"""A run as its comment shows it: the run itself, and what is known only at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from actions.contracts.results import SearchFacts, Verdict
from bot.runs.run import AttemptVerdict, Decision, Run

StageStatus = Literal["waiting", "running", "done", "failed", "skipped", "cached"]
_MAX_METRICS = 40


@dataclass(frozen=True)
class StageLine:
    """One stage of the present attempt, as a line of the table.

    Attributes
    ----------
    name
        ``prepare``, ``train``, ``evaluate``, ``judge`` or ``publish``.
    status
        ``cached``: its inputs are unchanged, so its earlier result is reused. ``skipped``: never reached.
    seconds
        How long it took, or has been running so far.
    note
        Its present step, or what it waits for.
    percent
        How much is done, if known.
    left
        The longest time that its present step may still take, in seconds, if known.
    done, total
        How many rounds of the step are done, and how many there are, if known.
    """

    name: str
    status: StageStatus = "waiting"
    seconds: float | None = None
    note: str = ""
    percent: int | None = None
    left: float | None = None
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True)
class Unclaimed:
    """A job that no runner has taken.

    Attributes
    ----------
    labels
        The labels that a runner must have to take it.
    runners
        The repository's runners with these labels: ``none`` is online, all are ``busy``, or ``unknown``.
    """

    labels: tuple[str, ...]
    runners: Literal["none", "busy", "unknown"]


@dataclass(frozen=True)
class RunView:
    """Everything that a comment about a run shows.

    Attributes
    ----------
    run
        The run itself.
    updated
        When this view was made.
    stages
        The stages of the present attempt; empty before its workflow run was started.
    progress
        Metrics that the running stage has reported so far.
    ahead
        While the run is queued: the run that has the model, or comes first.
    unclaimed
        Why the present stage's job has not begun, once it has been queued for some time.
    plots
        File name and URL of each plot.
    history_url, registry_url
        The pages of the run's history and of the model's registry file, once they exist.
    waiting_until
        When the question to the operator expires.
    """

    run: Run
    updated: datetime
    stages: tuple[StageLine, ...] = ()
    progress: Mapping[str, float] = field(default_factory=dict)
    ahead: Run | None = None
    unclaimed: Unclaimed | None = None
    plots: tuple[tuple[str, str], ...] = ()
    history_url: str = ""
    registry_url: str = ""
    waiting_until: datetime | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The present attempt's verdict, if it has one."""
        latest = self.run.verdicts[-1] if self.run.verdicts else None
        return latest.verdict if latest is not None and latest.attempt == self.run.attempt else None

    @property
    def earlier(self) -> tuple[AttemptVerdict, ...]:
        """The verdicts of the attempts before this one."""
        return tuple(verdict for verdict in self.run.verdicts if verdict.attempt < self.run.attempt)

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """The present attempt's metrics, once it is published."""
        result = self.run.result
        return result.metrics if result is not None and result.attempt == self.run.attempt else {}

    @property
    def search(self) -> SearchFacts | None:
        """The result of the present attempt's hyperparameter search, once it is published."""
        result = self.run.result
        return result.search if result is not None and result.attempt == self.run.attempt else None

    @property
    def champion_metrics(self) -> Mapping[str, float | None]:
        """The champion's metrics on the same rows; empty without a champion."""
        return (self.run.result.champion_metrics or {}) if self.metrics and self.run.result is not None else {}

    @property
    def metric_rows(self) -> list[tuple[str, float | None, float | None]]:
        """Each metric's name, value and the champion's value; the metric of the verdict comes first."""
        first = self.verdict.metric if self.verdict is not None else ""
        names = sorted(self.metrics, key=lambda name: (name != first, name))[:_MAX_METRICS]
        return [(name, self.metrics[name], self.champion_metrics.get(name)) for name in names]

    @property
    def retries(self) -> int:
        """How often the present state is retried after an error."""
        return self.run.spec.retries

    @property
    def workflow_url(self) -> str:
        return self.run.dispatch.url if self.run.dispatch is not None else ""

    @property
    def attempts_left(self) -> int:
        return max(self.run.attempts_allowed - self.run.attempt, 0)

    @property
    def lapsed(self) -> bool:
        """Whether the run ended because nobody answered the question. There is none after the last attempt."""
        asked = any(self.run.machine.spec(visit.state).waits_for == "answer" for visit in self.run.visits)
        return self.run.status == "rejected" and asked and self.attempts_left > 0 and self.decision("reject") is None

    def decision(self, what: Literal["approve", "reject", "cancel"]) -> Decision | None:
        """Return the latest decision of a kind about the present attempt."""
        matching = [
            decision
            for decision in self.run.decisions
            if decision.what == what and decision.attempt == self.run.attempt
        ]
        return matching[-1] if matching else None
