"""Evaluates a model on a frame; knows neither URIs nor files.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from actions.ml_evaluation.bootstrap import CONFIDENCE, intervals
from actions.ml_evaluation.permutation_importance import IMPORTANCE_OF, importances
from actions.ml_evaluation.predictions import Classified, Estimated, classified, estimated
from actions.ml_evaluation.slices import slices_of
from actions.ml_evaluation.weighted_scores import of_class
from actions.models.evaluation import (
    CalibrationBin,
    ClassFigures,
    ClassifierEvaluation,
    Curve,
    Intervals,
    RegressorEvaluation,
    Residuals,
    Slice,
)
from actions.models.saved_model import Model
from actions.models.scores import calibration_bins, one_against_rest

_MOST_POINTS = 200
_MOST_PAIRS = 2_000


def evaluate_classification(
    model: Model,
    frame: pd.DataFrame,
    slices: Sequence[str],
    learning_curves: Sequence[Curve] = (),
    seed: int = 0,
) -> ClassifierEvaluation:
    """Evaluate a classifier on rows with the target.

    Parameters
    ----------
    model
        The model.
    frame
        The rows.
    slices
        Columns to tell rows apart by.
    learning_curves
        What its training left; kept beside the figures.
    seed
        Of the bootstrap's draws and of the shuffled columns.
    """
    made, found = model.signature, classified(model, frame)
    labels, codes, probabilities = found.labels, found.codes, found.probabilities
    matrix = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(matrix, (codes, np.argmax(probabilities, axis=1)), 1)
    sure = intervals(found.statistic(), seed)
    metrics = found.scores()
    return ClassifierEvaluation(
        model_sha256=made.model_sha256,
        rows=len(frame),
        target=made.target,
        classes=labels,
        positive_class=labels[1] if len(labels) == 2 else None,  # noqa: PLR2004
        metrics=metrics,
        confidence=CONFIDENCE,
        intervals=_of(metrics, sure),
        per_class=[
            _class_figures(code, label, matrix, found).model_copy(update={"intervals": _of_class(code, sure)})
            for code, label in enumerate(labels)
        ],
        slices=_slices(frame, slices, found, seed),
        importance_of=IMPORTANCE_OF["classification"],
        importances=importances(model, frame, seed),
        learning_curves=list(learning_curves),
        confusion_matrix=matrix.tolist(),
        roc_curves=_curves(_roc, labels, codes, probabilities),
        pr_curves=_curves(_precision_recall, labels, codes, probabilities),
        calibration=[
            CalibrationBin(predicted=predicted, observed=observed, rows=rows)
            for predicted, observed, rows in calibration_bins(codes, probabilities)
        ],
    )


def evaluate_regression(
    model: Model,
    frame: pd.DataFrame,
    slices: Sequence[str],
    learning_curves: Sequence[Curve] = (),
    seed: int = 0,
) -> RegressorEvaluation:
    """Evaluate a regressor on rows with the target; parameters as ``evaluate_classification``."""
    made, found = model.signature, estimated(model, frame)
    truth, predicted = found.truth, found.predicted
    residuals = predicted - truth
    shown = np.linspace(0, len(truth) - 1, min(len(truth), _MOST_PAIRS)).astype(int)
    metrics = found.scores()
    return RegressorEvaluation(
        model_sha256=made.model_sha256,
        rows=len(frame),
        target=made.target,
        metrics=metrics,
        confidence=CONFIDENCE,
        intervals=_of(metrics, intervals(found.statistic(), seed)),
        residuals=Residuals(
            mean=float(residuals.mean()),
            standard_deviation=float(residuals.std()),
            quantiles={f"{share:g}": float(np.quantile(residuals, share)) for share in (0.05, 0.25, 0.5, 0.75, 0.95)},
        ),
        slices=_slices(frame, slices, found, seed),
        importance_of=IMPORTANCE_OF["regression"],
        importances=importances(model, frame, seed),
        learning_curves=list(learning_curves),
        true=truth[shown].tolist(),
        predicted=predicted[shown].tolist(),
    )


def _of(metrics: Mapping[str, float | None], sure: Intervals) -> Intervals:
    return {name: sure[name] for name in metrics if name in sure}


def _of_class(code: int, sure: Intervals) -> Intervals:
    names = ("precision", "recall", "f1", "roc_auc", "pr_auc")
    return {name: sure[of_class(name, code)] for name in names if of_class(name, code) in sure}


def _slices(frame: pd.DataFrame, columns: Sequence[str], found: Classified | Estimated, seed: int) -> list[Slice]:
    slices = []
    chosen = list(slices_of(frame, columns))
    for column, value, rows in chosen:
        metrics = found.scores(rows)
        sure = _of(metrics, intervals(found.statistic(rows), seed, len(chosen)))
        slices.append(Slice(column=column, value=value, rows=len(rows), metrics=metrics, intervals=sure))
    return slices


def _class_figures(code: int, label: str, matrix: Any, found: Classified) -> ClassFigures:
    right, of_truth, called = matrix[code, code], matrix[code].sum(), matrix[:, code].sum()
    roc_auc, pr_auc = one_against_rest(found.codes == code, found.probabilities[:, code])
    return ClassFigures(
        label=label,
        rows=int(of_truth),
        precision=float(right / called) if called else 0.0,
        recall=float(right / of_truth) if of_truth else 0.0,
        f1=float(2 * right / (of_truth + called)) if of_truth + called else 0.0,
        roc_auc=roc_auc,
        pr_auc=pr_auc,
    )


def _curves(
    points: Callable[[Any, Any], tuple[Any, Any]], labels: list[str], codes: Any, probabilities: Any
) -> list[Curve]:
    """Return a curve for each class that is in the rows; of two classes, of the last one."""
    chosen = [1] if len(labels) == 2 else range(len(labels))  # noqa: PLR2004
    curves = []
    for code in chosen:
        is_class = codes == code
        if not is_class.any() or is_class.all():
            continue
        x, y = points(is_class, probabilities[:, code])
        shown = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).astype(int))
        curves.append(Curve(label=labels[code], x=x[shown].tolist(), y=y[shown].tolist()))
    return curves


def _roc(is_class: Any, probability: Any) -> tuple[Any, Any]:
    from sklearn.metrics import roc_curve

    false_positives, true_positives, _ = roc_curve(is_class, probability)
    return false_positives, true_positives


def _precision_recall(is_class: Any, probability: Any) -> tuple[Any, Any]:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(is_class, probability)
    return recall, precision
