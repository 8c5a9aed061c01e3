"""The stage judge: decides on the figures alone."""

from __future__ import annotations

from typing import Any

from actions.contracts.request import BaseRequest
from actions.contracts.results import Status, Verdict
from actions.stages.evaluate import EVALUATE
from actions.stages.spec import Attempt, StageSpec
from actions.tasks.registry import task_of
from actions.tasks.results import ChampionScores, Facts, StageResult, comparison_facts
from actions.text.markdown import inline


class Judged(StageResult):
    """The verdict."""

    verdict: Verdict

    def facts(self) -> Facts:
        verdict = self.verdict
        facts = [("verdict", inline(verdict.status)), ("why", inline(verdict.explanation))]
        if verdict.comparison is not None:
            facts += comparison_facts(verdict.comparison)
        if verdict.champion_may_have_seen_rows:
            facts.append(("note", "The champion was trained on other rows and may have seen these."))
        return facts


def judged(request: BaseRequest, metrics: dict[str, float | None], champion: ChampionScores | None) -> Verdict:
    """Decide whether a model passes.

    Its metric must be defined and reach the threshold; if there is a champion, and the task compares with it, the model must
    be shown to be no worse than the champion by more than the margin. A slice on which it is worse is named, and rejects
    nothing by itself.
    """
    name, threshold, metric = request.metric, request.threshold, request.judged_metric
    unit = task_of(request).compared_by
    champion = champion if unit is not None else None
    value = metrics.get(name)
    best = champion.metrics.get(name) if champion and champion.metrics else None
    comparison = champion.comparison if champion else None

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
            comparison=comparison,
        )

    if value is None:
        return verdict("failed", "metric_undefined", f"{name} is undefined on the test data: {metric.undefined_when}.")
    if champion and (best is None or comparison is None):
        why = champion.not_comparable or f"its {name} is undefined on the same {unit}"
        return verdict("failed", "champion_not_comparable", f"Version {champion.version} could not be scored: {why}.")
    required = f"{name} is {value:.4g}; required: {'at least' if metric.higher_is_better else 'at most'} {threshold:g}"
    if not metric.meets(value, threshold):
        return verdict("rejected", "below_threshold", f"{required}.")
    if champion is None or comparison is None:
        return verdict("passed", "threshold_met", f"{required}.")
    beside = f"the champion, version {champion.version}, has {best:.4g} on the same {unit}. {champion.explanation}"
    if comparison.outcome != "accepted":
        reason = "worse_than_champion" if comparison.outcome == "rejected" else "too_close_to_tell"
        return verdict("rejected", reason, f"{name} is {value:.4g}; {beside}")
    return verdict("passed", "threshold_met", f"{required}; {beside} {champion.remark}".rstrip())


def _inputs(attempt: Attempt) -> dict[str, Any]:
    request = attempt.order.request
    return {
        "evaluation": EVALUATE.read(attempt).model_dump(mode="json"),
        "metric": request.metric,
        "threshold": request.threshold,
    }


def _run(attempt: Attempt) -> Judged:
    evaluated = EVALUATE.read(attempt)
    return Judged(verdict=judged(attempt.order.request, evaluated.metrics, evaluated.champion))


JUDGE = StageSpec[Judged](name="judge", area="evaluations", inputs=_inputs, result=lambda _: Judged, run=_run)
