"""The operations that evaluate classifiers and regressors on rows that they have not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError

from actions.context import Context
from actions.contracts.request import Sha256, Task
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.data_preparation.tables import frame_of
from actions.errors import InvalidInput
from actions.ml_evaluation.test_rows import kept_test_rows
from actions.models.evaluation import ClassifierEvaluation, Curve, Evaluation, RegressorEvaluation
from actions.models.saved_model import Model, open_model
from actions.models.training_record import TRAINING_FILE, TrainingRecord
from actions.operation import operation

if TYPE_CHECKING:
    import pandas as pd

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
_MOST_POINTS = 200


@operation(stage="evaluate", where="runner", idempotent=True)
def evaluate_classifier(  # an operation's parameters are its public arguments
    context: Context,
    model: StorageUri,
    data: DataUri | None = None,
    sha256: Sha256 | None = None,
    slices: list[str] | None = None,
    destination: StorageUri | None = None,
    *,
    seed: Seed = 0,
) -> ClassifierEvaluation:
    """Evaluate a classifier: figures over all, per class and per slice, confusion matrix, curves, calibration, importances.

    Accuracy, balanced accuracy, precision, recall, F1, ROC AUC, PR AUC (average precision), log loss, expected calibration
    error, as scikit-learn defines them. Of two classes, precision, recall, F1 and the areas are of the last one in sorted
    order; of more, the mean over the classes. A figure that is not defined for the rows is null. Each has its 95 % interval
    by bootstrap: rows drawn with replacement, up to 1,000 times (less often with many rows).

    Parameters
    ----------
    model
        The model file under the storage root.
    data
        Rows with the model's raw columns and the target. Without it: the test rows of the run that made the model.
    sha256
        The digest that the model file must have.
    slices
        Columns to tell rows apart by: by value, numbers by quarters. Without it: up to five columns of few categories.
    destination
        A folder under the storage root to save figures and plots to, as ``save_evaluation_results`` does.
    seed
        Of the bootstrap's draws and of the shuffled columns.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> iris = {"data": "sklearn://iris", "target": "target"}
    >>> made = find_operation("train_supervised_classifier").call({**iris, "destination": "iris"}, context)
    >>> saved = find_operation("save_model").call({"training": "iris", "destination": "iris", "name": "iris"}, context)
    >>> found = evaluate_classifier(context, saved.uri, "sklearn://iris")
    >>> found.rows, found.metrics["accuracy"], found.intervals["accuracy"]  # the rows that it was trained on
    (150, 1.0, Interval(low=1.0, high=1.0))
    """
    opened, frame = _opened(context, model, data, sha256, "classification")
    found = classifier_evaluation(opened, frame, slices, learning_curves(storage_path(model, context, "model")), seed)
    _keep(found, destination, context)
    return found


@operation(stage="evaluate", where="runner", idempotent=True)
def evaluate_regressor(  # an operation's parameters are its public arguments
    context: Context,
    model: StorageUri,
    data: DataUri | None = None,
    sha256: Sha256 | None = None,
    slices: list[str] | None = None,
    destination: StorageUri | None = None,
    *,
    seed: Seed = 0,
) -> RegressorEvaluation:
    """Evaluate a regressor: RMSE, MAE, MAPE, R2, median and largest error, residuals, per slice, importances.

    RMSE and the errors are in the target's unit, MAPE is a share; it is null where a true value is zero. Each but the
    largest error has its 95 % interval by bootstrap: rows drawn with replacement, up to 1,000 times (less often with many).

    Parameters
    ----------
    model
        The model file under the storage root.
    data
        Rows with the model's raw columns and the target. Without it: the test rows of the run that made the model.
    sha256
        The digest that the model file must have.
    slices
        Columns to tell rows apart by: by value, numbers by quarters. Without it: up to five columns of few categories.
    destination
        A folder under the storage root to save figures and plots to, as ``save_evaluation_results`` does.
    seed
        Of the bootstrap's draws and of the shuffled columns.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> rows = {"data": "sklearn://diabetes", "target": "target"}
    >>> made = find_operation("train_supervised_regressor").call({**rows, "destination": "out"}, context)
    >>> saved = find_operation("save_model").call({"training": "out", "destination": "out", "name": "sugar"}, context)
    >>> found = evaluate_regressor(context, saved.uri, "sklearn://diabetes", slices=["sex"])
    >>> round(found.metrics["r2"], 2), [one.rows for one in found.slices]
    (0.52, [235, 207])
    """
    opened, frame = _opened(context, model, data, sha256, "regression")
    found = regressor_evaluation(opened, frame, slices, learning_curves(storage_path(model, context, "model")), seed)
    _keep(found, destination, context)
    return found


def evaluation_of(model: Model, frame: pd.DataFrame, curves: list[Curve] | None = None) -> Evaluation:
    """Evaluate an opened model of either task on a frame, with the usual slices."""
    if model.signature.task == "classification":
        return classifier_evaluation(model, frame, None, curves)
    return regressor_evaluation(model, frame, None, curves)


def classifier_evaluation(
    model: Model,
    frame: pd.DataFrame,
    slices: list[str] | None = None,
    curves: list[Curve] | None = None,
    seed: int = 0,
) -> ClassifierEvaluation:
    """Evaluate an opened classifier on a frame."""
    from actions.ml_evaluation.evaluation import evaluate_classification
    from actions.ml_evaluation.slices import usual_columns

    chosen = usual_columns(model, frame) if slices is None else slices
    return evaluate_classification(model, frame, chosen, curves or [], seed)


def regressor_evaluation(
    model: Model,
    frame: pd.DataFrame,
    slices: list[str] | None = None,
    curves: list[Curve] | None = None,
    seed: int = 0,
) -> RegressorEvaluation:
    """Evaluate an opened regressor on a frame."""
    from actions.ml_evaluation.evaluation import evaluate_regression
    from actions.ml_evaluation.slices import usual_columns

    chosen = usual_columns(model, frame) if slices is None else slices
    return evaluate_regression(model, frame, chosen, curves or [], seed)


def learning_curves(model: Path) -> list[Curve]:
    """Return what the training left beside a model file: loss by round, in at most 200 points; [] where it left none."""
    try:
        record = TrainingRecord.model_validate_json(model.with_name(TRAINING_FILE).read_bytes())
    except (OSError, ValidationError):
        return []
    curves = []
    for part, losses in record.curves.items():
        for name, values in losses.items():
            step = -(-len(values) // _MOST_POINTS) or 1
            points = [(float(place + 1), value) for place, value in enumerate(values) if value is not None][::step]
            if points:
                x, y = zip(*points, strict=True)
                curves.append(Curve(label=f"{part} {name}", x=list(x), y=list(y)))
    return curves


def rows_to_evaluate_on(data: DataUri | None, model: StorageUri, target: str, context: Context) -> pd.DataFrame:
    """Read the given rows, or the test rows of the run that made the model, less those without a target."""
    frame = frame_of(kept_test_rows(model, context) if data is None else data, context)
    return frame.dropna(subset=[target]) if target in frame else frame


def _opened(
    context: Context, model: StorageUri, data: DataUri | None, sha256: str | None, task: Task
) -> tuple[Model, pd.DataFrame]:
    opened = open_model(storage_path(model, context, "model"), sha256)
    if opened.signature.task != task:
        raise InvalidInput(
            "wrong_task",
            rule=f"The model was trained for {task}.",
            found=f"{opened.signature.task}.",
            next_step="Use the other evaluation.",
            field="model",
        )
    return opened, rows_to_evaluate_on(data, model, opened.signature.target, context)


def _keep(found: Evaluation, destination: StorageUri | None, context: Context) -> None:
    if destination is not None:
        from actions.ml_evaluation.save import save_evaluation

        save_evaluation(found, storage_path(destination, context, "destination"), context)
