"""The same figures as ``scores``, of many resamples at once: rows count as often as a resample drew them.

A resample of n rows is a line of n counts. Sorting, binning and comparing with the truth are done once, on the rows
themselves; what is left for each resample is a sum or a running sum of its counts. So a thousand resamples of 100,000 rows
take seconds, where scoring each by itself would take minutes. That both agree is a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from actions.models.scores import calibration_places

Figures = dict[str, Any]
"""By name, an array with one figure a resample; NaN where it is not defined."""

_TWO = 2


@dataclass(frozen=True)
class Statistic:
    """Scores resamples: takes counts of shape (resamples, rows), gives arrays of shape (resamples,) by name.

    Attributes
    ----------
    rows
        How many rows there are.
    passes
        How often a resample's counts are gone through, about; what a resample costs.
    figures
        The function itself.
    """

    rows: int
    passes: int
    figures: Callable[[Any], Figures]


def of_class(metric: str, code: int) -> str:
    """Return the name of one class's figure."""
    return f"{metric} of {code}"


def classification_statistic(codes: Any, probabilities: Any, *, with_areas: bool = True) -> Statistic:
    """Return the statistic of a classifier: every figure of ``classification_scores``, and those of each class.

    Parameters
    ----------
    codes : array of int, shape (rows,)
        The true class of each row, as a column of ``probabilities``.
    probabilities : array of float, shape (rows, classes)
    with_areas
        Whether ROC AUC and PR AUC are among the figures; they cost as much as all others together.
    """
    rows, classes = probabilities.shape
    predicted = np.argmax(probabilities, axis=1)
    cells = _sums_by(codes * classes + predicted, classes * classes)
    losses = -np.log(np.clip(probabilities[np.arange(rows), codes], np.finfo(float).eps, 1))
    confidence, happened, places = calibration_places(codes, probabilities)
    gaps = _sums_by(places, int(places.max()) + 1, confidence - happened)
    scored = ([1] if classes == _TWO else list(range(classes))) if with_areas else []
    areas = {code: _areas(codes == code, probabilities[:, code]) for code in scored}

    def figures(counts: Any) -> Figures:
        matrix = cells(counts).reshape(len(counts), classes, classes)
        right, of, called = matrix.diagonal(axis1=1, axis2=2), matrix.sum(axis=2), matrix.sum(axis=1)
        precision, recall = _share(right, called, 0), _share(right, of, 0)
        f1 = _share(2 * right, of + called, 0)
        present = of + called > 0
        found = {
            "accuracy": right.sum(axis=1) / rows,
            "balanced_accuracy": _share((recall * (of > 0)).sum(axis=1), (of > 0).sum(axis=1), np.nan),
            "log_loss": counts @ losses / rows,
            "calibration_error": np.abs(gaps(counts)).sum(axis=1) / rows,
        }
        for name, each in (("precision", precision), ("recall", recall), ("f1", f1)):
            # As scikit-learn's macro average: over the classes that are in the truth or among the predictions.
            found[name] = each[:, 1] if classes == _TWO else (each * present).sum(axis=1) / present.sum(axis=1)
            found |= {of_class(name, code): each[:, code] for code in range(classes)}
        for code, area in areas.items():
            found[of_class("roc_auc", code)], found[of_class("pr_auc", code)] = area(counts)
        if not areas:
            return found
        if classes == _TWO:  # the same pairs of rows, looked at from the other side
            found[of_class("roc_auc", 0)] = found[of_class("roc_auc", 1)]
        for name in ("roc_auc", "pr_auc"):
            found[name] = np.mean([found[of_class(name, code)] for code in areas], axis=0)
        return found

    return Statistic(rows, 3 + 3 * len(areas), figures)


def regression_statistic(truth: Any, predicted: Any) -> Statistic:
    """Return the statistic of a regressor: the figures of ``regression_scores`` but the largest error.

    The largest error of resampled rows is never above that of the rows: an interval of it would say nothing.
    """
    rows = len(truth)
    residuals = predicted - truth
    absolute = np.abs(residuals)
    centred = truth - truth.mean()
    columns = np.column_stack([residuals**2, absolute, centred, centred**2])
    shares = absolute / np.abs(truth) if (truth != 0).all() else None
    order = np.argsort(absolute, kind="stable")
    ordered = absolute[order]

    def figures(counts: Any) -> Figures:
        squared, sizes, total, squares = (counts @ columns).T
        spread = squares - total**2 / rows
        running = np.cumsum(counts[:, order], axis=1)
        lower, upper = (np.argmax(running > place, axis=1) for place in ((rows - 1) // 2, rows // 2))
        found = {
            "rmse": np.sqrt(squared / rows),
            "mae": sizes / rows,
            "r2": 1
            - _share(squared, np.where(spread > _TINY * max(float((centred**2).sum()), 1e-300), spread, 0), np.nan),
            "median_absolute_error": (ordered[lower] + ordered[upper]) / 2,
        }
        return found if shares is None else found | {"mape": counts @ shares / rows}

    return Statistic(rows, 4, figures)


_TINY = 1e-12
"""Below this share of the rows' own spread, a resample's is rounding: all its rows have one value."""


def _share(part: Any, whole: Any, otherwise: float) -> Any:
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, float(otherwise)), where=whole != 0)


def _sums_by(places: Any, size: int, values: Any = None) -> Callable[[Any], Any]:
    """Return what adds up each resample's counts, times values, by the rows' places: (resamples, size)."""
    from scipy.sparse import csr_array

    rows = len(places)
    weights = np.ones(rows) if values is None else values
    adding = csr_array((weights, (places, np.arange(rows))), shape=(size, rows))

    def sums(counts: Any) -> Any:
        return np.asarray(adding @ counts.T).T

    return sums


def _areas(is_class: Any, score: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Return what gives ROC AUC and average precision of each resample; NaN where it has rows of one side alone.

    Rows of equal score are one step, as in scikit-learn: ROC AUC by trapezoids, average precision by steps.
    """
    order = np.argsort(-score, kind="stable")
    hit = is_class[order].astype(float)
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))

    def areas(counts: Any) -> tuple[Any, Any]:
        drawn = counts[:, order]
        called = np.cumsum(drawn, axis=1)[:, ends]
        hits = np.cumsum(drawn * hit, axis=1)[:, ends]
        misses = called - hits
        new_hits = np.diff(hits, axis=1, prepend=0)
        positives, negatives = hits[:, -1], misses[:, -1]
        # A step's new misses stand behind the hits before it, and beside half of its own.
        ordered = np.einsum("ij,ij->i", np.diff(misses, axis=1, prepend=0), hits - new_hits / 2)
        precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
        one_sided = (positives == 0) | (negatives == 0)
        roc = np.where(one_sided, np.nan, _share(ordered, positives * negatives, np.nan))
        pr = np.where(one_sided, np.nan, _share(np.einsum("ij,ij->i", new_hits, precision), positives, np.nan))
        return roc, pr

    return areas
