"""The metrics of ``scores``, computed for many resamples at once: each row counts as often as it was drawn.

A resample of n rows is an array of n counts. Sorting, binning and comparing with the truth are done once, on the rows
themselves. What remains for each resample is a sum or a running sum of its counts. A thousand resamples of 100,000 rows
take seconds; scoring each separately would take minutes. A test checks that both agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from actions.models.scores import calibration_points

Figures = dict[str, Any]
"""An array of shape (resamples,) for each metric; NaN where it is undefined."""

_TWO = 2


@dataclass(frozen=True)
class Statistic:
    """Scores resamples.

    Attributes
    ----------
    rows
        The number of rows.
    passes
        The cost of a resample: approximately how often its counts are processed.
    figures
        Maps counts of shape (resamples, rows) to an array of shape (resamples,) per metric.
    """

    rows: int
    passes: int
    figures: Callable[[Any], Figures]


def of_class(metric: str, code: int) -> str:
    """Return the name of a metric of one class."""
    return f"{metric} of {code}"


def classification_statistic(codes: Any, probabilities: Any, *, with_areas: bool = True) -> Statistic:
    """Return the statistic of a classifier: all metrics of ``classification_scores``, overall and per class.

    Parameters
    ----------
    codes : array of int, shape (rows,)
        The true class of each row, as a column of ``probabilities``.
    probabilities : array of float, shape (rows, classes)
    with_areas
        Whether to include ROC AUC and PR AUC, which cost as much as all other metrics together.
    """
    rows, classes = probabilities.shape
    predicted = np.argmax(probabilities, axis=1)
    cells = _sums_by(codes * classes + predicted, classes * classes)
    losses = -np.log(np.clip(probabilities[np.arange(rows), codes], np.finfo(float).eps, 1))
    confidence, happened, bins = calibration_points(codes, probabilities)
    gaps = _sums_by(bins, int(bins.max()) + 1, confidence - happened)
    scored = ([1] if classes == _TWO else list(range(classes))) if with_areas else []
    areas = {code: _areas(codes == code, probabilities[:, code]) for code in scored}

    def figures(counts: Any) -> Figures:
        matrix = cells(counts).reshape(len(counts), classes, classes)
        correct, actual, called = matrix.diagonal(axis1=1, axis2=2), matrix.sum(axis=2), matrix.sum(axis=1)
        precision, recall = _share(correct, called, 0), _share(correct, actual, 0)
        f1 = _share(2 * correct, actual + called, 0)
        present = actual + called > 0
        metrics = {
            "accuracy": correct.sum(axis=1) / rows,
            "balanced_accuracy": _share((recall * (actual > 0)).sum(axis=1), (actual > 0).sum(axis=1), np.nan),
            "log_loss": counts @ losses / rows,
            "calibration_error": np.abs(gaps(counts)).sum(axis=1) / rows,
        }
        for name, by_class in (("precision", precision), ("recall", recall), ("f1", f1)):
            # Like scikit-learn's macro average: over the classes that occur in the truth or in the predictions.
            macro = (by_class * present).sum(axis=1) / present.sum(axis=1)
            metrics[name] = by_class[:, 1] if classes == _TWO else macro
            metrics |= {of_class(name, code): by_class[:, code] for code in range(classes)}
        for code, area in areas.items():
            metrics[of_class("roc_auc", code)], metrics[of_class("pr_auc", code)] = area(counts)
        if not areas:
            return metrics
        if classes == _TWO:  # ROC AUC is symmetric in the two classes
            metrics[of_class("roc_auc", 0)] = metrics[of_class("roc_auc", 1)]
        for name in ("roc_auc", "pr_auc"):
            metrics[name] = np.mean([metrics[of_class(name, code)] for code in areas], axis=0)
        return metrics

    return Statistic(rows, 3 + 3 * len(areas), figures)


def regression_statistic(truth: Any, predicted: Any) -> Statistic:
    """Return the statistic of a regressor: all metrics of ``regression_scores`` except the maximum error.

    A resample's maximum error never exceeds that of the rows, so an interval of it would mean nothing.
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
        squared, sizes, total, squares = (counts @ columns).T
        spread = squares - total**2 / rows
        running = np.cumsum(counts[:, order], axis=1)
        lower, upper = (np.argmax(running > position, axis=1) for position in ((rows - 1) // 2, rows // 2))
        min_spread = _TINY * max(float((centred**2).sum()), 1e-300)
        metrics = {
            "rmse": np.sqrt(squared / rows),
            "mae": sizes / rows,
            "r2": 1 - _share(squared, np.where(spread > min_spread, spread, 0), np.nan),
            "median_absolute_error": (ordered[lower] + ordered[upper]) / 2,
        }
        return metrics if shares is None else metrics | {"mape": counts @ shares / rows}

    return Statistic(rows, 4, figures)


_TINY = 1e-12
"""A resample whose variance is below this share of the rows' variance consists of one value; the rest is rounding."""


def _share(part: Any, whole: Any, default: float) -> Any:
    """Return ``part / whole``, or ``default`` where ``whole`` is zero."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, float(default)), where=whole != 0)


def _sums_by(groups: Any, size: int, values: Any = None) -> Callable[[Any], Any]:
    """Return a function that sums each resample's counts, times values, by the rows' groups: (resamples, size)."""
    from scipy.sparse import csr_array

    rows = len(groups)
    weights = np.ones(rows) if values is None else values
    matrix = csr_array((weights, (groups, np.arange(rows))), shape=(size, rows))

    def sums(counts: Any) -> Any:
        return np.asarray(matrix @ counts.T).T

    return sums


def _areas(is_class: Any, score: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Return a function that computes ROC AUC and average precision per resample; NaN if all its rows are of one class.

    Rows with equal scores form one step, as in scikit-learn: ROC AUC uses trapezoids, average precision uses steps.
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
        # A step's new misses rank below all earlier hits, and tie with the step's own hits, which count half.
        ordered = np.einsum("ij,ij->i", np.diff(misses, axis=1, prepend=0), hits - new_hits / 2)
        precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
        one_sided = (positives == 0) | (negatives == 0)
        roc = np.where(one_sided, np.nan, _share(ordered, positives * negatives, np.nan))
        pr = np.where(one_sided, np.nan, _share(np.einsum("ij,ij->i", new_hits, precision), positives, np.nan))
        return roc, pr

    return areas
