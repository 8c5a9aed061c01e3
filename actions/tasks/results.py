"""What a task's stages leave for the stages after them, as far as these depend on it; a task adds its own fields."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from actions.contracts.request import Sha256
from actions.contracts.results import ComparisonFigures, DataFacts, ModelFacts, SearchFacts
from actions.contracts.scalar import Scalar
from actions.operation import Result
from actions.text.markdown import code, inline

Facts = list[tuple[str, str]]
"""Names and values for a job's summary, the values as Markdown."""


class StageResult(Result):
    """What a stage's record holds."""

    def outputs(self) -> dict[str, Sha256]:
        """Return the files that the stage wrote: digest by URI."""
        return {}

    def facts(self) -> Facts:
        """Return what the job's summary shows."""
        return []


class Prepared(StageResult):
    """What prepare leaves for training."""

    data: DataFacts | None = Field(default=None, description="None where the task reads no data")


class Trained(StageResult):
    """The saved model."""

    model: ModelFacts
    search: SearchFacts | None = None

    def outputs(self) -> dict[str, Sha256]:
        return {self.model.uri: self.model.sha256}

    def plots(self) -> list[str]:
        """Return the URIs of plots about the training."""
        return []

    def facts(self) -> Facts:
        size = ("size", inline(f"{self.model.size_bytes} bytes"))
        return [("model", code(self.model.uri)), size, *(search_facts(self.search) if self.search is not None else [])]


class ChampionScores(Result):
    """How the present champion does where the challenger was evaluated."""

    version: int = Field(ge=1)
    metrics: dict[str, float | None] | None = Field(description="None where it could not be scored")
    comparison: ComparisonFigures | None = Field(
        default=None, description="None where the metric is undefined for either"
    )
    explanation: str = Field(default="", description="the comparison in a sentence")
    remark: str = Field(default="", description="a sentence about what the comparison found but does not reject")
    not_comparable: str | None = Field(default=None, description="why it could not be scored")
    may_have_seen_rows: bool = Field(
        default=False, description="whether it was trained on data other than the challenger's"
    )


class Evaluated(StageResult):
    """The model's figures on data that it was not trained on, and the champion's."""

    metrics: dict[str, float | None]
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    plots: dict[str, Sha256] = Field(default_factory=dict, description="digest by URI")
    champion: ChampionScores | None = None
    details: dict[str, Scalar] = Field(default_factory=dict, description="further facts for the history")

    def outputs(self) -> dict[str, Sha256]:
        return self.plots

    def facts(self) -> Facts:
        facts = [*figures(self.metrics), *((inline(name), inline(value)) for name, value in self.details.items())]
        if self.champion is not None:
            champion = self.champion
            found = champion.not_comparable or champion.explanation or "scored on the same data"
            facts.append((f"champion, version {champion.version}", inline(found)))
            facts += [(f"champion's {name}", value) for name, value in figures(champion.metrics or {})]
        return facts


def comparison_facts(comparison: ComparisonFigures) -> Facts:
    """Return how a model compares with the champion."""
    low, high = ("unknown" if bound is None else f"{bound:+.4g}" for bound in (comparison.low, comparison.high))
    facts = [
        ("against the champion", inline(comparison.outcome.replace("_", " "))),
        ("difference", inline(f"{comparison.difference:+.4g}, between {low} and {high}")),
        ("margin", inline(f"{comparison.allowed:.4g}, alpha {comparison.alpha:g}, {comparison.rows} rows")),
    ]
    return facts + [
        (f"worse where {slice_.column} is {slice_.value}", inline(f"{slice_.difference:+.4g} on {slice_.rows} rows"))
        for slice_ in comparison.regressions
    ]


def search_facts(search: SearchFacts) -> Facts:
    """Return what a search for hyperparameters came to."""
    ends = f"{search.completed} completed, {search.pruned} pruned, {search.failed} failed"
    baseline = "unknown" if search.baseline_score is None else f"{search.baseline_score:.4f}"
    used = ", ".join(f"{name}: {value}" for name, value in search.hyperparameters.items())
    return [
        ("search", inline(f"{search.trials} trials ({ends}) in {search.seconds:.1f} s, ended by {search.stopped_by}")),
        (f"{search.metric} on {search.rows}", inline(f"{search.value:.4f}; baseline {baseline}")),
        ("hyperparameters", code(used) or "defaults"),
    ]


def figures(metrics: Mapping[str, float | None]) -> Facts:
    """Return metrics as a summary shows them."""
    return [(name, "undefined" if value is None else f"{value:.4f}") for name, value in metrics.items()]
