"""Compares two models on the same rows by a paired bootstrap; knows neither URIs nor files.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from actions.contracts.request import METRICS, Gate, MetricName
from actions.errors import InvalidInput
from actions.ml_evaluation.bootstrap import distributions, interval, resamples_for
from actions.ml_evaluation.non_inferiority import explained, outcome_of
from actions.ml_evaluation.predictions import Classified, Estimated, answered
from actions.ml_evaluation.slices import slices_of
from actions.ml_evaluation.weighted_scores import Figures
from actions.models.comparison import Comparison, Difference, SliceDifference
from actions.models.saved_model import Model

RESAMPLES = 2_000
_BINS = 40
_Answers = Classified | Estimated


def compared(
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

    Rows are resampled, and both models scored on the very same resample each time: what makes a row hard for both cancels
    out, so that the difference is known better than either figure.

    Parameters
    ----------
    challenger, champion
        The models. They answer the same question.
    frame
        Rows with the target.
    metric
        What the verdict is about.
    gate
        The risk and the margin.
    slices
        Columns to tell rows apart by.
    seed
        Of the draws.

    Raises
    ------
    InvalidInput
        ``not_comparable``, ``wrong_metric``, ``metric_undefined``; what the models refuse the rows with.
    """
    check_comparable(challenger, champion)
    check_metric(metric, challenger)
    new, old = answered(challenger, frame), answered(champion, frame)
    mine, theirs = new.scores(), old.scores()
    value, best = mine[metric], theirs[metric]
    if value is None or best is None:
        raise InvalidInput(
            "metric_undefined",
            rule="The metric is defined on the rows that two models are compared on.",
            found=f"{metric} is not: the rows do not show enough cases, or a true value is zero.",
            next_step="Choose another metric, or other rows.",
            field="metric",
        )
    drawn, resamples = _differences(new, old, slice(None), seed)
    metrics = {
        name: _difference(name, mine.get(name), theirs.get(name), drawn.get(name), gate.alpha)
        for name in mine
        if name in METRICS
    }
    judged = metrics[metric]
    allowed = gate.allowed(metric, best)
    verdict = outcome_of(judged.low, judged.high, allowed)
    counts, edges = _histogram(drawn[metric])
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
        explanation=explained(verdict, metric, judged.low, judged.high, allowed, len(frame)),
        compared=judged,
        metrics=metrics,
        slices=_slices(new, old, frame, metric, gate, slices, seed),
        histogram=counts,
        histogram_edges=edges,
    )


def check_metric(metric: str, model: Model) -> None:
    """Refuse a metric of the other task."""
    task = model.signature.task
    if METRICS[metric].task != task:
        raise InvalidInput(
            "wrong_metric",
            rule=f"Models of {task} are compared by one of its metrics.",
            found=f"{metric}.",
            next_step=f"Choose one of: {', '.join(name for name, known in METRICS.items() if known.task == task)}.",
            field="metric",
        )


def check_comparable(challenger: Model, champion: Model) -> None:
    """Refuse two models that answer different questions."""
    why = other_question(champion, challenger)
    if why is not None:
        raise InvalidInput(
            "not_comparable",
            rule="Two models that are compared have the same task, target and classes.",
            found=f"of the champion: {why}.",
            next_step="Compare it with a model of the same question, or train anew.",
            field="champion",
        )


def other_question(champion: Model, challenger: Model) -> str | None:
    """Tell in what two models answer different questions; None where they do not."""
    old, new = champion.signature, challenger.signature
    for what, before, now in (
        ("task", old.task, new.task),
        ("target", old.target, new.target),
        ("classes", old.classes, new.classes),
    ):
        if before != now:
            return f"its {what} was {before}, this model's is {now}"
    return None


def _differences(
    new: _Answers, old: _Answers, rows: Any, seed: int, metric: str | None = None, parts: int = 1
) -> tuple[Figures, int]:
    """Return how much better the new model is in each resample, by metric, and how many there are."""
    first, second = new.statistic(rows, metric), old.statistic(rows, metric)
    resamples = resamples_for(first, RESAMPLES, 2 * parts)
    # The same seed draws the same rows for both: that is what pairs them.
    one, other = (distributions(statistic, seed, resamples) for statistic in (first, second))
    return {name: _sign(name) * (one[name] - other[name]) for name in one if name in METRICS}, resamples


def _sign(metric: str) -> int:
    return 1 if METRICS[metric].higher_is_better else -1


def _difference(metric: str, mine: float | None, theirs: float | None, drawn: Any, alpha: float) -> Difference:
    if mine is None or theirs is None:
        return Difference(challenger=mine, champion=theirs, difference=None, low=None, high=None)
    found = None if drawn is None else interval(drawn, alpha, 1 - alpha)
    return Difference(
        challenger=mine,
        champion=theirs,
        difference=_sign(metric) * (mine - theirs),
        low=found.low if found else None,
        high=found.high if found else None,
    )


def _slices(
    new: _Answers,
    old: _Answers,
    frame: pd.DataFrame,
    metric: MetricName,
    gate: Gate,
    columns: Sequence[str],
    seed: int,
) -> list[SliceDifference]:
    """Compare on each slice; one among many looks worse by chance, so they share alpha (Bonferroni)."""
    slices = list(slices_of(frame, columns))
    found = []
    for column, value, rows in slices:
        drawn, _ = _differences(new, old, rows, seed, metric, len(slices))
        mine, theirs = new.scores(rows)[metric], old.scores(rows)[metric]
        shown = _difference(metric, mine, theirs, drawn.get(metric), gate.alpha)
        strict = _difference(metric, mine, theirs, drawn.get(metric), gate.alpha / len(slices))
        allowed = gate.allowed(metric, theirs or 0.0)
        found.append(
            SliceDifference(
                **shown.model_dump(),
                column=column,
                value=value,
                rows=len(rows),
                regressed=strict.high is not None and strict.high < -allowed,
            )
        )
    return found


def _histogram(drawn: Any) -> tuple[list[int], list[float]]:
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return [], []
    counts, edges = np.histogram(defined, bins=_BINS if np.ptp(defined) > 0 else 1)
    return counts.tolist(), edges.tolist()
