"""Evaluates an opened model on a data frame.

Imports heavy libraries; import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from actions.ml_evaluation.bootstrap import CONFIDENCE, intervals
from actions.ml_evaluation.permutation_importance import IMPORTANCE_OF, permutation_importances
from actions.ml_evaluation.predictions import (
    ClassifierPredictions,
    RegressorPredictions,
    classifier_predictions,
    regressor_predictions,
)
from actions.ml_evaluation.slices import default_columns, slices_of
from actions.ml_evaluation.weighted_scores import of_class
from actions.models.evaluation import (
    CalibrationBin,
    ClassFigures,
    ClassifierEvaluation,
    Curve,
    Evaluation,
    Intervals,
    RegressorEvaluation,
    Residuals,
    Slice,
)
from actions.models.saved_model import Model
from actions.models.scores import calibration_bins, one_against_rest

_MAX_POINTS = 200
_MAX_PAIRS = 2_000


def evaluate_model(model: Model, frame: pd.DataFrame, learning_curves: Sequence[Curve] = ()) -> Evaluation:
    """Evaluate a model of any task on rows with the target, with the default slices."""
    evaluate = evaluate_classification if model.signature.task == "classification" else evaluate_regression
    return evaluate(model, frame, learning_curves=learning_curves)


def evaluate_classification(
    model: Model,
    frame: pd.DataFrame,
    slices: Sequence[str] | None = None,
    learning_curves: Sequence[Curve] = (),
    seed: int = 0,
) -> ClassifierEvaluation:
    """Evaluate a classifier on rows with the target.

    Parameters
    ----------
    model
        The model.
    frame
        The rows: the model's raw columns and the target.
    slices
        Columns to slice the rows by. By default, up to five columns with few categories.
    learning_curves
        The losses by round that were recorded during training, to store with the evaluation.
    seed
        Seed of the resampling and of permutation importance.
    """
    signature, predictions = model.signature, classifier_predictions(model, frame)
    labels, codes, probabilities = predictions.labels, predictions.codes, predictions.probabilities
    matrix = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(matrix, (codes, np.argmax(probabilities, axis=1)), 1)
    all_intervals = intervals(predictions.statistic(), seed)
    metrics = predictions.scores()
    return ClassifierEvaluation(
        model_sha256=signature.model_sha256,
        rows=len(frame),
        target=signature.target,
        classes=labels,
        positive_class=labels[1] if len(labels) == 2 else None,  # noqa: PLR2004
        metrics=metrics,
        confidence=CONFIDENCE,
        intervals=_select(metrics, all_intervals),
        per_class=[
            _class_figures(code, matrix, predictions, _class_intervals(code, all_intervals))
            for code in range(len(labels))
        ],
        slices=_slices(model, frame, slices, predictions, seed),
        importance_of=IMPORTANCE_OF["classification"],
        importances=permutation_importances(model, frame, seed),
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
    slices: Sequence[str] | None = None,
    learning_curves: Sequence[Curve] = (),
    seed: int = 0,
) -> RegressorEvaluation:
    """Evaluate a regressor on rows with the target; parameters as for ``evaluate_classification``."""
    signature, predictions = model.signature, regressor_predictions(model, frame)
    truth, predicted = predictions.truth, predictions.predicted
    residuals = predicted - truth
    shown = np.linspace(0, len(truth) - 1, min(len(truth), _MAX_PAIRS)).astype(int)
    metrics = predictions.scores()
    return RegressorEvaluation(
        model_sha256=signature.model_sha256,
        rows=len(frame),
        target=signature.target,
        metrics=metrics,
        confidence=CONFIDENCE,
        intervals=_select(metrics, intervals(predictions.statistic(), seed)),
        residuals=Residuals(
            mean=float(residuals.mean()),
            standard_deviation=float(residuals.std()),
            quantiles={f"{share:g}": float(np.quantile(residuals, share)) for share in (0.05, 0.25, 0.5, 0.75, 0.95)},
        ),
        slices=_slices(model, frame, slices, predictions, seed),
        importance_of=IMPORTANCE_OF["regression"],
        importances=permutation_importances(model, frame, seed),
        learning_curves=list(learning_curves),
        true=truth[shown].tolist(),
        predicted=predicted[shown].tolist(),
    )


def _select(metrics: Mapping[str, float | None], all_intervals: Intervals) -> Intervals:
    return {name: all_intervals[name] for name in metrics if name in all_intervals}


def _class_intervals(code: int, all_intervals: Intervals) -> Intervals:
    names = ("precision", "recall", "f1", "roc_auc", "pr_auc")
    return {name: all_intervals[of_class(name, code)] for name in names if of_class(name, code) in all_intervals}


def _slices(
    model: Model,
    frame: pd.DataFrame,
    columns: Sequence[str] | None,
    predictions: ClassifierPredictions | RegressorPredictions,
    seed: int,
) -> list[Slice]:
    parts = list(slices_of(frame, default_columns(model, frame) if columns is None else columns))
    slices = []
    for column, value, rows in parts:
        metrics = predictions.scores(rows)
        of_slice = _select(metrics, intervals(predictions.statistic(rows), seed, len(parts)))
        slices.append(Slice(column=column, value=value, rows=len(rows), metrics=metrics, intervals=of_slice))
    return slices


def _class_figures(
    code: int, matrix: Any, predictions: ClassifierPredictions, class_intervals: Intervals
) -> ClassFigures:
    correct, actual, predicted = matrix[code, code], matrix[code].sum(), matrix[:, code].sum()
    roc_auc, pr_auc = one_against_rest(predictions.codes == code, predictions.probabilities[:, code])
    return ClassFigures(
        label=predictions.labels[code],
        rows=int(actual),
        precision=float(correct / predicted) if predicted else 0.0,
        recall=float(correct / actual) if actual else 0.0,
        f1=float(2 * correct / (actual + predicted)) if actual + predicted else 0.0,
        roc_auc=roc_auc,
        pr_auc=pr_auc,
        intervals=class_intervals,
    )


def _curves(
    points: Callable[[Any, Any], tuple[Any, Any]], labels: list[str], codes: Any, probabilities: Any
) -> list[Curve]:
    """Return a curve for each class that occurs in the rows; with two classes, for the last one only."""
    codes_to_draw = [1] if len(labels) == 2 else range(len(labels))  # noqa: PLR2004
    curves = []
    for code in codes_to_draw:
        is_class = codes == code
        if not is_class.any() or is_class.all():
            continue
        x, y = points(is_class, probabilities[:, code])
        shown = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MAX_POINTS)).astype(int))
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
