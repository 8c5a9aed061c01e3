"""Metrics of predictions. A metric that is undefined for the rows is None."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Scores = dict[str, float | None]


def classification_scores(truth: Any, probabilities: Any, classes: Any) -> Scores:
    """Return the metrics of a classifier.

    With two classes, precision, recall, F1 and the areas are those of the last class in sorted order. With more, they
    are averaged over the classes, each against the rest.

    Parameters
    ----------
    truth : array of shape (rows,)
        Labels, each one of ``classes``.
    probabilities : array of shape (rows, classes)
    classes : array of shape (classes,)
        Sorted.
    """
    from sklearn.metrics import precision_recall_fscore_support

    classes = np.asarray(classes)
    codes = np.searchsorted(classes, truth)
    predicted = np.argmax(probabilities, axis=1)
    is_correct = predicted == codes
    binary = len(classes) == 2  # noqa: PLR2004
    precision, recall, f1, _ = precision_recall_fscore_support(
        codes, predicted, zero_division=0, average="binary" if binary else "macro"
    )
    scored = range(1, 2) if binary else range(len(classes))
    areas = [one_against_rest(codes == code, probabilities[:, code]) for code in scored]
    of_truth = probabilities[np.arange(len(codes)), codes]
    counts = np.bincount(codes)
    recalls = np.bincount(codes, is_correct)[counts > 0] / counts[counts > 0]
    return {
        "accuracy": _defined(is_correct.mean()),
        "balanced_accuracy": _defined(recalls.mean()),
        "precision": _defined(precision),
        "recall": _defined(recall),
        "f1": _defined(f1),
        "roc_auc": _mean([roc for roc, _ in areas]),
        "pr_auc": _mean([pr for _, pr in areas]),
        "log_loss": _defined(-np.log(np.maximum(of_truth, np.finfo(float).eps)).mean()),
        "calibration_error": _defined(calibration_error(codes, probabilities)),
    }


def one_against_rest(is_class: Any, probability: Any) -> tuple[float | None, float | None]:
    """Return ROC AUC and PR AUC (average precision) of one class; None if all rows are of one side."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    if not is_class.any() or is_class.all():
        return None, None
    return _defined(roc_auc_score(is_class, probability)), _defined(average_precision_score(is_class, probability))


def calibration_points(codes: Any, probabilities: Any, bins: int = 10) -> tuple[Any, Any, Any]:
    """Return, for each row, the probability of an event, whether the event happened, and the bin of the probability.

    With two classes, the event is the last class. With more, it is that the predicted class is correct.
    """
    if probabilities.shape[1] == 2:  # noqa: PLR2004
        predicted, happened = probabilities[:, 1], codes == 1
    else:
        predicted, happened = probabilities.max(axis=1), np.argmax(probabilities, axis=1) == codes
    return predicted, happened, np.minimum((predicted * bins).astype(int), bins - 1)


def calibration_bins(codes: Any, probabilities: Any) -> list[tuple[float, float, int]]:
    """Return, for each bin of predicted probability, the mean prediction, the observed share and the number of rows."""
    predicted, happened, bins = calibration_points(codes, probabilities)
    rows = np.bincount(bins)
    predictions, events = np.bincount(bins, predicted), np.bincount(bins, happened)
    return [
        (float(predictions[index] / rows[index]), float(events[index] / rows[index]), int(rows[index]))
        for index in np.flatnonzero(rows)
    ]


def calibration_error(codes: Any, probabilities: Any) -> float:
    """Return the expected calibration error: the mean gap between predicted and observed shares over ten bins.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper, M. Hauskrecht: Obtaining Well Calibrated Probabilities Using Bayesian Binning,
       AAAI 2015.
    """
    bins = calibration_bins(codes, probabilities)
    return sum(abs(predicted - observed) * rows for predicted, observed, rows in bins) / len(codes)


def regression_scores(truth: Any, predicted: Any) -> Scores:
    """Return the metrics of a regressor, in units of the target except for MAPE (a fraction) and R2."""
    residuals = predicted - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "rmse": _defined(math.sqrt(float((residuals**2).mean()))),
        "mae": _defined(np.abs(residuals).mean()),
        "mape": _defined(np.abs(residuals / truth).mean()) if (truth != 0).all() else None,
        "r2": _defined(1 - float((residuals**2).sum()) / spread) if spread > 0 else None,
        "median_absolute_error": _defined(np.median(np.abs(residuals))),
        "max_error": _defined(np.abs(residuals).max()),
    }


def _mean(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined and len(defined) == len(values) else None


def _defined(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
