"""The verdict: a pure decision on figures."""

from __future__ import annotations

from pydantic import Field

from actions.operation import Result
from actions.request import METRICS, TrainingRequest
from actions.results import Status, Verdict


class ChampionScores(Result):
    """How the present champion does on the challenger's test rows."""

    version: int = Field(ge=1)
    metrics: dict[str, float | None] | None = Field(description="None where it could not be scored")
    not_comparable: str | None = Field(default=None, description="why it could not be scored")
    may_have_seen_rows: bool = Field(description="it was trained on other rows than the challenger")


def judged(request: TrainingRequest, metrics: dict[str, float | None], champion: ChampionScores | None) -> Verdict:
    """Decide whether a model passes: its metric is defined, reaches the threshold, and is no worse than the champion's."""
    name, threshold, metric = request.metric, request.threshold, METRICS[request.metric]
    value = metrics.get(name)
    best = champion.metrics.get(name) if champion and champion.metrics else None
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
        )

    if value is None:
        why = "a true value is zero" if name == "mape" else "the test rows do not show enough cases"
        return verdict("failed", "metric_undefined", f"{name} is not defined on the test rows: {why}.")
    if champion and best is None:
        why = champion.not_comparable or f"its {name} is not defined on these rows"
        return verdict("failed", "champion_not_comparable", f"Version {champion.version} could not be scored: {why}.")
    if not metric.meets(value, threshold):
        return verdict("rejected", "below_threshold", f"{name} is {value:.4g}; asked was {asked}.")
    if champion and best is not None and not metric.meets(value, best):
        explanation = (
            f"{name} is {value:.4g}; the champion, version {champion.version}, has {best:.4g} on the same rows."
        )
        return verdict("rejected", "worse_than_champion", explanation)
    compared = f" The champion, version {champion.version}, has {best:.4g} on the same rows." if champion else ""
    return verdict("passed", "threshold_met", f"{name} is {value:.4g}; asked was {asked}.{compared}")
