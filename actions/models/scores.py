"""The figures: how far predictions are from the truth. A figure that is not defined for the rows is None."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Scores = dict[str, float | None]


def classification_scores(truth: Any, probabilities: Any, classes: Any) -> Scores:
    """Return the figures of a classifier.

    Two classes: precision, recall, F1 and the areas are of the last class in sorted order. More: the mean over the
    classes, each against the rest.

    Parameters
    ----------
    truth : array of shape (rows,)
        Labels, each of them one of ``classes``.
    probabilities : array of shape (rows, classes)
    classes : array of shape (classes,)
        In sorted order.
    """
    from sklearn.metrics import precision_recall_fscore_support

    classes = np.asarray(classes)
    codes = np.searchsorted(classes, truth)
    predicted = np.argmax(probabilities, axis=1)
    right = predicted == codes
    two = len(classes) == 2  # noqa: PLR2004
    precision, recall, f1, _ = precision_recall_fscore_support(
        codes, predicted, zero_division=0, average="binary" if two else "macro"
    )
    chosen = range(1, 2) if two else range(len(classes))
    areas = [one_against_rest(codes == code, probabilities[:, code]) for code in chosen]
    chance = probabilities[np.arange(len(codes)), codes]
    seen = np.bincount(codes)
    return {
        "accuracy": _figure(right.mean()),
        "balanced_accuracy": _figure((np.bincount(codes, right)[seen > 0] / seen[seen > 0]).mean()),
        "precision": _figure(precision),
        "recall": _figure(recall),
        "f1": _figure(f1),
        "roc_auc": _mean([roc for roc, _ in areas]),
        "pr_auc": _mean([pr for _, pr in areas]),
        "log_loss": _figure(-np.log(np.clip(chance, np.finfo(float).eps, 1)).mean()),
        "calibration_error": _figure(calibration_error(codes, probabilities)),
    }


def one_against_rest(is_class: Any, probability: Any) -> tuple[float | None, float | None]:
    """Return ROC AUC and PR AUC (average precision) of one class; None where rows of only one side exist."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    if not is_class.any() or is_class.all():
        return None, None
    return _figure(roc_auc_score(is_class, probability)), _figure(average_precision_score(is_class, probability))


def calibration_places(codes: Any, probabilities: Any, bins: int = 10) -> tuple[Any, Any, Any]:
    """Return for each row the probability that calibration is about, whether it came true, and its bin.

    Two classes: the probability of the last class. More: the probability of the predicted class.
    """
    if probabilities.shape[1] == 2:  # noqa: PLR2004
        predicted, happened = probabilities[:, 1], codes == 1
    else:
        predicted, happened = probabilities.max(axis=1), np.argmax(probabilities, axis=1) == codes
    return predicted, happened, np.minimum((predicted * bins).astype(int), bins - 1)


def calibration_bins(codes: Any, probabilities: Any) -> list[tuple[float, float, int]]:
    """Return per bin of predicted probability its mean, the observed share and the rows."""
    predicted, happened, places = calibration_places(codes, probabilities)
    rows, said, seen = np.bincount(places), np.bincount(places, predicted), np.bincount(places, happened)
    return [
        (float(said[place] / rows[place]), float(seen[place] / rows[place]), int(rows[place]))
        for place in np.flatnonzero(rows)
    ]


def calibration_error(codes: Any, probabilities: Any) -> float:
    """Return the expected calibration error: the mean distance of predicted and observed shares over ten bins.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper, M. Hauskrecht: Obtaining Well Calibrated Probabilities Using Bayesian Binning,
       AAAI 2015.
    """
    bins = calibration_bins(codes, probabilities)
    return sum(abs(predicted - observed) * rows for predicted, observed, rows in bins) / len(codes)


def regression_scores(truth: Any, predicted: Any) -> Scores:
    """Return the figures of a regressor, in units of the target but for MAPE (a share) and R2."""
    residuals = predicted - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "rmse": _figure(math.sqrt(float((residuals**2).mean()))),
        "mae": _figure(np.abs(residuals).mean()),
        "mape": _figure(np.abs(residuals / truth).mean()) if (truth != 0).all() else None,
        "r2": _figure(1 - float((residuals**2).sum()) / spread) if spread > 0 else None,
        "median_absolute_error": _figure(np.median(np.abs(residuals))),
        "max_error": _figure(np.abs(residuals).max()),
    }


def _mean(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined and len(defined) == len(values) else None


def _figure(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
