"""The verdict: a pure decision on figures."""

from __future__ import annotations

from pydantic import Field

from actions.contracts.request import METRICS, TrainingRequest
from actions.contracts.results import ComparisonFigures, Regression, Status, Verdict
from actions.models.comparison import Comparison
from actions.operation import Result

_MOST_REGRESSIONS, _LONGEST_LABEL = 10, 80


class ChampionScores(Result):
    """How the present champion does on the challenger's test rows."""

    version: int = Field(ge=1)
    metrics: dict[str, float | None] | None = Field(description="None where it could not be scored")
    comparison: Comparison | None = Field(default=None, description="None where the metric is undefined for either")
    not_comparable: str | None = Field(default=None, description="why it could not be scored")
    may_have_seen_rows: bool = Field(description="it was trained on other rows than the challenger")


def judged(request: TrainingRequest, metrics: dict[str, float | None], champion: ChampionScores | None) -> Verdict:
    """Decide whether a model passes.

    Its metric is defined and reaches the threshold; and, where there is a champion, it is shown to be no worse than that
    by more than the margin. A slice on which it is worse is named, and rejects nothing by itself.
    """
    name, threshold, metric = request.metric, request.threshold, METRICS[request.metric]
    value = metrics.get(name)
    best = champion.metrics.get(name) if champion and champion.metrics else None
    comparison = champion.comparison if champion else None
    asked = f"{'at least' if metric.higher_is_better else 'at most'} {threshold:g}"

    def verdict(status: Status, reason: str, explanation: str) -> Verdict:
        return Verdict(
            status=status,
            reason=reason,
            explanation=explanation,
            metric=name,
            value=value,
            threshold=threshold,
            champion_value=best,
            champion_version=champion.version if champion else None,
            champion_may_have_seen_rows=bool(champion and champion.may_have_seen_rows),
            comparison=_figures(comparison) if comparison else None,
        )

    if value is None:
        why = "a true value is zero" if name == "mape" else "the test rows do not show enough cases"
        return verdict("failed", "metric_undefined", f"{name} is not defined on the test rows: {why}.")
    if champion and (best is None or comparison is None):
        why = champion.not_comparable or f"its {name} is not defined on these rows"
        return verdict("failed", "champion_not_comparable", f"Version {champion.version} could not be scored: {why}.")
    if not metric.meets(value, threshold):
        return verdict("rejected", "below_threshold", f"{name} is {value:.4g}; asked was {asked}.")
    if champion is None or comparison is None:
        return verdict("passed", "threshold_met", f"{name} is {value:.4g}; asked was {asked}.")
    beside = f"the champion, version {champion.version}, has {best:.4g} on the same rows. {comparison.explanation}"
    if comparison.verdict != "accepted":
        reason = "worse_than_champion" if comparison.verdict == "rejected" else "too_close_to_tell"
        return verdict("rejected", reason, f"{name} is {value:.4g}; {beside}")
    return verdict("passed", "threshold_met", f"{name} is {value:.4g}; asked was {asked}; {beside}{_worse(comparison)}")


def _figures(found: Comparison) -> ComparisonFigures:
    regressions = [
        Regression(
            column=one.column[:_LONGEST_LABEL],
            value=one.value[:_LONGEST_LABEL],
            rows=one.rows,
            difference=one.difference or 0.0,
        )
        for one in found.regressions[:_MOST_REGRESSIONS]
    ]
    return ComparisonFigures(
        outcome=found.verdict,
        alpha=found.alpha,
        margin=found.margin,
        allowed=found.allowed,
        difference=found.compared.difference or 0.0,
        low=found.compared.low,
        high=found.compared.high,
        rows=found.rows,
        resamples=found.resamples,
        regressions=regressions,
    )


def _worse(found: Comparison) -> str:
    several = len(found.regressions)
    return f" It is worse on {several} of {len(found.slices)} slices." if several else ""
