"""Evaluates a model on a frame; knows neither URIs nor files.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from actions.data_preparation.columns import conformed
from actions.data_preparation.sources import nearest_first
from actions.ml_evaluation.results import (
    CalibrationBin,
    ClassFigures,
    ClassifierEvaluation,
    Curve,
    RegressorEvaluation,
    Residuals,
    Slice,
)
from actions.ml_evaluation.scores import (
    Scores,
    calibration_bins,
    classification_scores,
    one_against_rest,
    regression_scores,
)
from actions.ml_training.artifact import Model
from actions.ml_training.fitting import target_values
from actions.operation import InvalidInput, OperationError

_MOST_POINTS = 200
_MOST_PAIRS = 2_000
_MOST_VALUES = 10
_FEWEST_ROWS_A_SLICE = 5


def evaluate_classification(model: Model, frame: pd.DataFrame, slices: Sequence[str]) -> ClassifierEvaluation:
    """Evaluate a classifier on rows with the target."""
    made = model.signature
    truth = _truth(model, frame)
    classes = np.asarray(made.classes, dtype=object if truth.dtype == object else None)
    _check_classes(truth, classes, made.target)
    probabilities = _finite(model.probabilities(frame.drop(columns=made.target)))
    labels = [str(label) for label in classes]
    codes = np.searchsorted(classes, truth)
    predicted = np.argmax(probabilities, axis=1)
    matrix = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(matrix, (codes, predicted), 1)

    def scored(rows: Any) -> Scores:
        return classification_scores(truth[rows], probabilities[rows], classes)

    return ClassifierEvaluation(
        model_sha256=made.model_sha256,
        rows=len(frame),
        target=made.target,
        classes=labels,
        positive_class=labels[1] if len(labels) == 2 else None,  # noqa: PLR2004
        metrics=classification_scores(truth, probabilities, classes),
        per_class=[_class_figures(code, label, matrix, codes, probabilities) for code, label in enumerate(labels)],
        slices=_slices(frame, slices, scored),
        confusion_matrix=matrix.tolist(),
        roc_curves=_curves(_roc, labels, codes, probabilities),
        pr_curves=_curves(_precision_recall, labels, codes, probabilities),
        calibration=[
            CalibrationBin(predicted=predicted, observed=observed, rows=rows)
            for predicted, observed, rows in calibration_bins(truth, probabilities, classes)
        ],
    )


def evaluate_regression(model: Model, frame: pd.DataFrame, slices: Sequence[str]) -> RegressorEvaluation:
    """Evaluate a regressor on rows with the target."""
    made = model.signature
    truth = _truth(model, frame)
    predicted = _finite(np.asarray(model.predict(frame.drop(columns=made.target)), dtype=float))
    residuals = predicted - truth
    shown = np.linspace(0, len(truth) - 1, min(len(truth), _MOST_PAIRS)).astype(int)

    def scored(rows: Any) -> Scores:
        return regression_scores(truth[rows], predicted[rows])

    return RegressorEvaluation(
        model_sha256=made.model_sha256,
        rows=len(frame),
        target=made.target,
        metrics=regression_scores(truth, predicted),
        residuals=Residuals(
            mean=float(residuals.mean()),
            standard_deviation=float(residuals.std()),
            quantiles={f"{share:g}": float(np.quantile(residuals, share)) for share in (0.05, 0.25, 0.5, 0.75, 0.95)},
        ),
        slices=_slices(frame, slices, scored),
        true=truth[shown].tolist(),
        predicted=predicted[shown].tolist(),
    )


def _finite(predictions: Any) -> Any:
    if not np.isfinite(predictions).all():
        raise OperationError(
            "predictions_not_finite",
            rule="A model predicts finite numbers.",
            found=f"{int((~np.isfinite(predictions)).sum())} that are none.",
            next_step="Train it with other hyperparameters, or leave extreme values out of the data.",
        )
    return predictions


def usual_slices(model: Model, frame: pd.DataFrame, most: int = 5) -> list[str]:
    """Return the columns that rows are usually told apart by: categories with few values."""
    categories = [column.name for column in model.signature.columns if column.kind == "category"]
    return [name for name in categories if frame[name].nunique() <= _MOST_VALUES][:most]


def _truth(model: Model, frame: pd.DataFrame) -> Any:
    made = model.signature
    if made.target not in frame:
        raise InvalidInput(
            "target_missing",
            rule="Rows to evaluate on have the target, so that predictions can be compared with it.",
            found=f"no column {made.target!r}.",
            next_step=f"The data's columns: {nearest_first(made.target, [str(name) for name in frame.columns])}.",
            field="data",
        )
    if made.task == "regression":
        return conformed(frame[made.target], "number").to_numpy()
    return target_values(frame, made.target, made.task)


def _check_classes(truth: Any, classes: Any, target: str) -> None:
    unknown = [label for label in np.unique(truth) if label not in set(classes.tolist())]
    if unknown:
        raise InvalidInput(
            "unknown_class",
            rule="Rows to evaluate on hold the classes that the model was trained on.",
            found=f"{', '.join(repr(str(label)) for label in unknown[:10])} in column {target!r}.",
            next_step=f"The model's classes: {', '.join(str(label) for label in classes[:20])}.",
            field="data",
        )


def _class_figures(code: int, label: str, matrix: Any, codes: Any, probabilities: Any) -> ClassFigures:
    right, of_class, called = matrix[code, code], matrix[code].sum(), matrix[:, code].sum()
    roc_auc, pr_auc = one_against_rest(codes == code, probabilities[:, code])
    return ClassFigures(
        label=label,
        rows=int(of_class),
        precision=float(right / called) if called else 0.0,
        recall=float(right / of_class) if of_class else 0.0,
        f1=float(2 * right / (of_class + called)) if of_class + called else 0.0,
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


def _slices(frame: pd.DataFrame, columns: Sequence[str], scored: Callable[[Any], Scores]) -> list[Slice]:
    found = []
    for column in columns:
        if column not in frame:
            raise InvalidInput(
                "slice_column_missing",
                rule="Rows are told apart by columns that they have.",
                found=f"no column {column!r}.",
                next_step=f"Choose among: {nearest_first(column, [str(name) for name in frame.columns])}.",
                field="slices",
            )
        values = _told_apart(frame[column])
        for value in values.value_counts().index[:_MOST_VALUES]:
            rows = np.flatnonzero((values == value).to_numpy())
            if len(rows) >= _FEWEST_ROWS_A_SLICE:
                found.append(Slice(column=column, value=str(value)[:100], rows=len(rows), metrics=scored(rows)))
    return found


def _told_apart(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column as few texts: its values, or quarters of its numbers where it has many."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > _MOST_VALUES:
        values = pd.qcut(values.astype(float), 4, duplicates="drop")
    return values.astype(object).where(values.notna(), "(missing)").astype(str)
