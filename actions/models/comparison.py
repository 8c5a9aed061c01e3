"""The result of comparing two models."""

from __future__ import annotations

from pydantic import Field

from actions.contracts.request import Sha256
from actions.contracts.results import Outcome
from actions.contracts.supervised import MetricName, SupervisedTask
from actions.operation import Result
from actions.text.markdown import inline


class Difference(Result):
    """Two models' values of one metric. Differences are positive if the challenger is better, for any metric."""

    challenger: float | None
    champion: float | None
    difference: float | None
    low: float | None = Field(description="lower bound of the difference, with a risk of alpha")
    high: float | None = Field(description="upper bound of the difference, with a risk of alpha")


class SliceDifference(Difference):
    """The difference on the rows that share a value, or a range of values, of a column."""

    column: str
    value: str
    rows: int
    regressed: bool = Field(description="shown to be worse than the champion, with alpha divided among the slices")


class Comparison(Result):
    """The comparison of a challenger with a champion on the same rows."""

    task: SupervisedTask
    target: str
    rows: int
    challenger_sha256: Sha256
    champion_sha256: Sha256
    metric: MetricName
    alpha: float
    margin: float
    allowed: float = Field(description="the margin in units of the metric")
    resamples: int
    verdict: Outcome
    reason: str = Field(description="stable code: better, not_worse, worse, too_close_to_tell")
    explanation: str
    compared: Difference = Field(description="the difference in the metric that the verdict is based on")
    metrics: dict[str, Difference]
    slices: list[SliceDifference]
    histogram: list[int] = Field(description="histogram of the resampled differences, for the plot")
    histogram_edges: list[float]

    @property
    def regressions(self) -> list[SliceDifference]:
        """The slices on which the challenger is worse, worst first."""
        return sorted((part for part in self.slices if part.regressed), key=lambda part: part.difference or 0)

    def summary_markdown(self) -> str:
        """Return the text for a job's summary."""
        from actions.models.tables import as_markdown, comparison_tables

        parts = [f"### {self.verdict.replace('_', ' ').capitalize()}", inline(self.explanation)]
        for table in comparison_tables(self):
            parts += [f"#### {inline(table.title)}", as_markdown(table)]
        return "\n\n".join(parts)
