"""The operations that evaluate classifiers and regressors on rows that they have not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.data_preparation.files import frame_of
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.ml_evaluation.results import ClassifierEvaluation, RegressorEvaluation
from actions.ml_training.artifact import Model, open_model
from actions.operation import Context, InvalidInput, operation
from actions.request import Sha256, Task

if TYPE_CHECKING:
    import pandas as pd


@operation(stage="evaluate", where="runner", idempotent=True)
def evaluate_classifier(
    context: Context, model: StorageUri, data: DataUri, sha256: Sha256 | None = None, slices: list[str] | None = None
) -> ClassifierEvaluation:
    """Evaluate a classifier: figures over all, per class and per slice, confusion matrix, curves, calibration.

    Accuracy, balanced accuracy, precision, recall, F1, ROC AUC, PR AUC (average precision), log loss, expected calibration
    error. Of two classes, precision, recall, F1 and the areas are of the last one in sorted order; of more, the mean over
    the classes. A figure that is not defined for the rows is null.

    Parameters
    ----------
    model
        The model file under the storage root.
    data
        Rows with the model's raw columns and the target.
    sha256
        The digest that the model file must have.
    slices
        Columns to tell rows apart by. Without it: up to five columns of few categories.
    """
    opened, frame = _opened(context, model, data, sha256, "classification")
    return classifier_evaluation(opened, frame, slices)


@operation(stage="evaluate", where="runner", idempotent=True)
def evaluate_regressor(
    context: Context, model: StorageUri, data: DataUri, sha256: Sha256 | None = None, slices: list[str] | None = None
) -> RegressorEvaluation:
    """Evaluate a regressor: RMSE, MAE, MAPE, R2, median and largest error, residuals, per slice.

    MAPE is null where a true value is zero.

    Parameters
    ----------
    model
        The model file under the storage root.
    data
        Rows with the model's raw columns and the target.
    sha256
        The digest that the model file must have.
    slices
        Columns to tell rows apart by. Without it: up to five columns of few categories.
    """
    opened, frame = _opened(context, model, data, sha256, "regression")
    return regressor_evaluation(opened, frame, slices)


def classifier_evaluation(model: Model, frame: pd.DataFrame, slices: list[str] | None = None) -> ClassifierEvaluation:
    """Evaluate an opened classifier on a frame."""
    from actions.ml_evaluation.evaluating import evaluate_classification, usual_slices

    return evaluate_classification(model, frame, usual_slices(model, frame) if slices is None else slices)


def regressor_evaluation(model: Model, frame: pd.DataFrame, slices: list[str] | None = None) -> RegressorEvaluation:
    """Evaluate an opened regressor on a frame."""
    from actions.ml_evaluation.evaluating import evaluate_regression, usual_slices

    return evaluate_regression(model, frame, usual_slices(model, frame) if slices is None else slices)


def _opened(context: Context, model: str, data: str, sha256: str | None, task: Task) -> tuple[Model, pd.DataFrame]:
    opened = open_model(storage_path(model, context, "model"), sha256)
    if opened.signature.task != task:
        raise InvalidInput(
            "wrong_task",
            rule=f"The model was trained for {task}.",
            found=f"{opened.signature.task}.",
            next_step="Use the other evaluation.",
            field="model",
        )
    frame = frame_of(data, context)
    target = opened.signature.target
    return opened, frame.dropna(subset=[target]) if target in frame else frame
