"""A run as its comment shows it: the run itself with what only the moment knows (values only)."""

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
    """One stage of the present attempt.

    Attributes
    ----------
    name
        ``prepare``, ``train``, ``evaluate``, ``judge`` or ``publish``.
    status
        ``cached``: unchanged, so taken over from before; ``skipped``: never reached.
    seconds
        How long it took, or has been running.
    note
        The step it is at, or what it waits for.
    percent
        How much is done, where that is known.
    left
        Seconds that its present step takes at most, where that is known.
    done, total
        How many of how many rounds of the step are done, where that is known.
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
    """A job that no runner takes.

    Attributes
    ----------
    labels
        What a runner must have to take it.
    runners
        Those of the repository that fit: ``none`` is online, all are ``busy``, or it is ``unknown``.
    """

    labels: tuple[str, ...]
    runners: Literal["none", "busy", "unknown"]


@dataclass(frozen=True)
class RunView:
    """What a comment about a run is made of.

    Attributes
    ----------
    run
        The run as the machine has it.
    updated
        When this was seen.
    stages
        The stages of the present attempt; empty before the first dispatch.
    progress
        Figures that the running stage has reported so far.
    ahead
        While it is queued: the run that has the model, or comes before it.
    unclaimed
        Why the present stage does not begin, once it has been queued for long.
    plots
        File name and URL of each plot.
    history_url, registry_url
        Pages of the run's history file and of the model's registry file, once they are there.
    waiting_until
        When the question to the operator lapses.
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
        """The verdict of the present attempt, if there is one."""
        latest = self.run.verdicts[-1] if self.run.verdicts else None
        return latest.verdict if latest is not None and latest.attempt == self.run.attempt else None

    @property
    def earlier(self) -> tuple[AttemptVerdict, ...]:
        """The verdicts of the attempts before this one."""
        return tuple(judged for judged in self.run.verdicts if judged.attempt < self.run.attempt)

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """The present attempt's metrics, once it is published."""
        result = self.run.result
        return result.metrics if result is not None and result.attempt == self.run.attempt else {}

    @property
    def search(self) -> SearchFacts | None:
        """What the present attempt's search for hyperparameters came to, once it is published."""
        result = self.run.result
        return result.search if result is not None and result.attempt == self.run.attempt else None

    @property
    def champion_metrics(self) -> Mapping[str, float | None]:
        """The champion's metrics on the same rows; empty without a champion."""
        return (self.run.result.champion_metrics or {}) if self.metrics and self.run.result is not None else {}

    @property
    def metric_rows(self) -> list[tuple[str, float | None, float | None]]:
        """Name, figure and the champion's figure of each metric; the judged one first."""
        judged = self.verdict.metric if self.verdict is not None else ""
        names = sorted(self.metrics, key=lambda name: (name != judged, name))[:_MAX_METRICS]
        return [(name, self.metrics[name], self.champion_metrics.get(name)) for name in names]

    @property
    def retries(self) -> int:
        """How often the present state is tried again after an error."""
        return self.run.spec.retries

    @property
    def workflow_url(self) -> str:
        return self.run.dispatch.url if self.run.dispatch is not None else ""

    @property
    def attempts_left(self) -> int:
        return max(self.run.attempts_allowed - self.run.attempt, 0)

    @property
    def lapsed(self) -> bool:
        """Tell whether the run ended because nobody answered the question; after the last attempt there is none."""
        asked = any(self.run.machine.spec(visit.state).waits_for == "answer" for visit in self.run.visits)
        return self.run.status == "rejected" and asked and self.attempts_left > 0 and self.decision("reject") is None

    def decision(self, what: Literal["approve", "reject", "cancel"]) -> Decision | None:
        """Return the latest decision of a kind about the present attempt."""
        found = [one for one in self.run.decisions if one.what == what and one.attempt == self.run.attempt]
        return found[-1] if found else None
