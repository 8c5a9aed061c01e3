"""What comparing two models found, as values."""

from __future__ import annotations

from pydantic import Field

from actions.contracts.request import MetricName, Sha256, Task
from actions.contracts.results import Outcome
from actions.operation import Result
from actions.text.markdown import inline


class Difference(Result):
    """Both models' figures of one metric; above zero the challenger is better, whichever way the metric goes."""

    challenger: float | None
    champion: float | None
    difference: float | None
    low: float | None = Field(description="the difference is above it, but for a risk of alpha")
    high: float | None = Field(description="the difference is below it, but for a risk of alpha")


class SliceDifference(Difference):
    """The same on the rows that share one value, or one range of values, of a column."""

    column: str
    value: str
    rows: int
    regressed: bool = Field(description="worse than the champion, with alpha shared out among the slices")


class Comparison(Result):
    """A challenger against a champion on the same rows."""

    task: Task
    target: str
    rows: int
    challenger_sha256: Sha256
    champion_sha256: Sha256
    metric: MetricName
    alpha: float
    margin: float
    allowed: float = Field(description="the margin in the metric's unit")
    resamples: int
    verdict: Outcome
    reason: str = Field(description="stable code: better, not_worse, worse, too_close_to_tell")
    explanation: str
    compared: Difference = Field(description="of the metric that the verdict is about")
    metrics: dict[str, Difference]
    slices: list[SliceDifference]
    histogram: list[int] = Field(description="of the resampled differences, for the plot")
    histogram_edges: list[float]

    @property
    def regressions(self) -> list[SliceDifference]:
        """The slices on which the challenger is worse, the worst first."""
        return sorted((one for one in self.slices if one.regressed), key=lambda one: one.difference or 0)

    def summary_markdown(self) -> str:
        """Return what stands in a job's summary."""
        from actions.models.tables import as_markdown, compared

        parts = [f"### {self.verdict.replace('_', ' ').capitalize()}", inline(self.explanation)]
        for shown in compared(self):
            parts += [f"#### {inline(shown.title)}", as_markdown(shown)]
        return "\n\n".join(parts)
