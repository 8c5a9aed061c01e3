"""Compares two opened models on the same rows with a paired bootstrap.

Imports heavy libraries; import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from actions.contracts.order import Gate
from actions.contracts.supervised import METRICS, METRICS_OF, MetricName
from actions.errors import InvalidInput
from actions.ml_evaluation.bootstrap import distributions, interval, resample_count
from actions.ml_evaluation.non_inferiority import decide, explain
from actions.ml_evaluation.predictions import ClassifierPredictions, RegressorPredictions, predictions_of
from actions.ml_evaluation.slices import slices_of
from actions.ml_evaluation.weighted_scores import Figures
from actions.models.comparison import Comparison, Difference, SliceDifference
from actions.models.saved_model import Model

RESAMPLES = 2_000
_BINS = 40
_Predictions = ClassifierPredictions | RegressorPredictions


def compare(
    challenger: Model,
    champion: Model,
    frame: pd.DataFrame,
    metric: MetricName,
    gate: Gate,
    slices: Sequence[str],
    *,
    seed: int = 0,
) -> Comparison:
    """Compare two models.

    Both models are scored on the same resamples. What makes a row hard for both of them cancels out, so the difference
    is known more precisely than either score.

    Parameters
    ----------
    challenger, champion
        The models, with the same task, target and classes.
    frame
        Rows with the target.
    metric
        The metric to judge by.
    gate
        The risk (alpha) and the margin.
    slices
        Columns to slice the rows by.
    seed
        Seed of the resampling.

    Raises
    ------
    InvalidInput
        ``not_comparable``, ``wrong_metric``, ``metric_undefined``; also what the models refuse the rows with.
    """
    check_comparable(challenger, champion)
    check_metric(metric, challenger)
    new, old = predictions_of(challenger, frame), predictions_of(champion, frame)
    new_scores, old_scores = new.scores(), old.scores()
    champion_score = old_scores[metric]
    if new_scores[metric] is None or champion_score is None:
        raise InvalidInput(
            "metric_undefined",
            rule="The metric must be defined on the rows that two models are compared on.",
            found=f"{metric} is undefined: the rows contain too few cases, or a true value is zero.",
            next_step="Choose another metric, or other rows.",
            field="metric",
        )
    resampled, resamples = _differences(new, old, slice(None), seed)
    metrics = {
        name: _difference(name, new_scores.get(name), old_scores.get(name), resampled.get(name), gate.alpha)
        for name in new_scores
        if name in METRICS
    }
    judged = metrics[metric]
    allowed = gate.allowed(METRICS[metric], champion_score)
    verdict = decide(judged.low, judged.high, allowed)
    counts, edges = _histogram(resampled[metric])
    return Comparison(
        task=challenger.signature.task,
        target=challenger.signature.target,
        rows=len(frame),
        challenger_sha256=challenger.signature.model_sha256,
        champion_sha256=champion.signature.model_sha256,
        metric=metric,
        alpha=gate.alpha,
        margin=gate.margin,
        allowed=allowed,
        resamples=resamples,
        verdict=verdict,
        reason={
            "accepted": "better" if judged.low is not None and judged.low > 0 else "not_worse",
            "rejected": "worse",
            "too_close_to_tell": "too_close_to_tell",
        }[verdict],
        explanation=explain(verdict, metric, judged.low, judged.high, allowed, len(frame)),
        compared=judged,
        metrics=metrics,
        slices=_slices(new, old, frame, metric, gate, slices, seed),
        histogram=counts,
        histogram_edges=edges,
    )


def check_metric(metric: str, model: Model) -> None:
    """Refuse a metric that belongs to the other task."""
    task = model.signature.task
    if metric not in METRICS_OF[task]:
        raise InvalidInput(
            "wrong_metric",
            rule=f"Models for {task} must be compared by a metric of that task.",
            found=f"{metric}.",
            next_step=f"Choose a metric: {', '.join(METRICS_OF[task])}.",
            field="metric",
        )


def check_comparable(challenger: Model, champion: Model) -> None:
    """Refuse two models that differ in their task, target or classes."""
    difference = incompatibility(champion, challenger)
    if difference is not None:
        raise InvalidInput(
            "not_comparable",
            rule="Models to compare must have the same task, target and classes.",
            found=f"for the champion, {difference}.",
            next_step="Compare with a model that has the same ones, or train a new one.",
            field="champion",
        )


def incompatibility(champion: Model, challenger: Model) -> str | None:
    """Return how two models differ in task, target or classes, or None if they can be compared."""
    old, new = champion.signature, challenger.signature
    for name, before, now in (
        ("task", old.task, new.task),
        ("target", old.target, new.target),
        ("classes", old.classes, new.classes),
    ):
        if before != now:
            return f"its {name} was {before}, this model's is {now}"
    return None


def _differences(
    new: _Predictions, old: _Predictions, rows: Any, seed: int, metric: str | None = None, parts: int = 1
) -> tuple[Figures, int]:
    """Return by how much the new model is better in each resample, by metric, and the number of resamples."""
    new_statistic, old_statistic = new.statistic(rows, metric), old.statistic(rows, metric)
    resamples = resample_count(new_statistic, RESAMPLES, 2 * parts)
    # The same seed draws the same rows for both, which is what pairs them.
    new_values, old_values = (distributions(statistic, seed, resamples) for statistic in (new_statistic, old_statistic))
    differences = {name: _sign(name) * (new_values[name] - old_values[name]) for name in new_values if name in METRICS}
    return differences, resamples


def _sign(metric: str) -> int:
    return 1 if METRICS[metric].higher_is_better else -1


def _difference(
    metric: str, new_score: float | None, old_score: float | None, resampled: Any, alpha: float
) -> Difference:
    if new_score is None or old_score is None:
        return Difference(challenger=new_score, champion=old_score, difference=None, low=None, high=None)
    bounds = None if resampled is None else interval(resampled, alpha, 1 - alpha)
    return Difference(
        challenger=new_score,
        champion=old_score,
        difference=_sign(metric) * (new_score - old_score),
        low=bounds.low if bounds else None,
        high=bounds.high if bounds else None,
    )


def _slices(
    new: _Predictions,
    old: _Predictions,
    frame: pd.DataFrame,
    metric: MetricName,
    gate: Gate,
    columns: Sequence[str],
    seed: int,
) -> list[SliceDifference]:
    """Compare the models on each slice. One of many looks worse by chance, so they share alpha (Bonferroni)."""
    slices = list(slices_of(frame, columns))
    differences = []
    for column, value, rows in slices:
        resampled, _ = _differences(new, old, rows, seed, metric, len(slices))
        new_score, old_score = new.scores(rows)[metric], old.scores(rows)[metric]
        shown = _difference(metric, new_score, old_score, resampled.get(metric), gate.alpha)
        strict = _difference(metric, new_score, old_score, resampled.get(metric), gate.alpha / len(slices))
        differences.append(
            SliceDifference(
                **shown.model_dump(),
                column=column,
                value=value,
                rows=len(rows),
                regressed=old_score is not None
                and strict.high is not None
                and strict.high < -gate.allowed(METRICS[metric], old_score),
            )
        )
    return differences


def _histogram(resampled: Any) -> tuple[list[int], list[float]]:
    defined = resampled[np.isfinite(resampled)]
    if not len(defined):
        return [], []
    counts, edges = np.histogram(defined, bins=_BINS if np.ptp(defined) > 0 else 1)
    return counts.tolist(), edges.tolist()
