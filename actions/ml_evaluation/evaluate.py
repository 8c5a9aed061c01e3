"""The operations that evaluate classifiers and regressors on rows that they have not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError

from actions.context import Context
from actions.contracts.request import Sha256
from actions.contracts.supervised import SupervisedTask
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.data_preparation.tables import frame_of
from actions.errors import InvalidInput
from actions.ml_evaluation.test_rows import uri_of_test_rows
from actions.models.evaluation import ClassifierEvaluation, Curve, Evaluation, RegressorEvaluation
from actions.models.saved_model import Model, open_model
from actions.models.training_record import TRAINING_FILE, TrainingRecord
from actions.operation import operation

if TYPE_CHECKING:
    import pandas as pd

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
_MAX_POINTS = 200


@operation(
    stage="evaluate",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
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
    """Evaluate a classifier: metrics overall, per class and per slice, confusion matrix, curves and importances.

    The metrics are accuracy, balanced accuracy, precision, recall, F1, ROC AUC, PR AUC (average precision), log loss
    and expected calibration error, as scikit-learn defines them. With two classes, precision, recall, F1 and the areas
    are those of the last class in sorted order; with more, they are averaged over the classes. A metric that is
    undefined for the rows is null. Each metric has a 95 % bootstrap interval from up to 1,000 resamples (fewer if there
    are many rows).

    Parameters
    ----------
    model
        The model file under the storage root.
    data
        Rows with the model's raw columns and the target. By default, the test rows of the run that trained the model.
    sha256
        The SHA-256 that the model file must have.
    slices
        Columns to slice the rows by: by value, or numbers by quartile. By default, up to five columns with few
        categories.
    destination
        A folder under the storage root. If given, results and plots are saved there, as by ``save_evaluation_results``.
    seed
        Seed of the resampling and of permutation importance.

    Raises
    ------
    InvalidInput
        ``no_rows``: no row has a target. ``slice_column_missing``: there is no column with the name of a slice.
        ``unknown_class``: a row has a class that the model was not trained on. ``bucket_not_found``,
        ``data_empty``, ``data_not_found``, ``data_outside_roots``, ``data_unreadable``, ``digest_mismatch``,
        ``duplicate_columns``, ``infinite_values``, ``missing_columns``, ``model_unreadable``, ``object_too_large``,
        ``outside_storage``, ``rows_empty``, ``signature_unreadable``, ``target_has_missing_values``,
        ``target_missing``, ``too_many_columns``, ``unknown_columns``, ``unknown_dataset``, ``unnamed_column``,
        ``unsupported_column_type``, ``unsupported_format``, ``unsupported_scheme``, ``untrusted_types``,
        ``wrong_task``, ``wrong_type``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``predictions_not_finite``: the model predicts infinite or undefined numbers. ``s3_refused``.
    NotFound
        ``test_rows_not_found``: the model's run kept no test rows. ``model_not_found``.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> iris = {"data": "sklearn://iris", "target": "target"}
    >>> training = find_operation("train_supervised_classifier").call({**iris, "destination": "iris"}, context)
    >>> saved = find_operation("save_model").call({"training": "iris", "destination": "iris", "name": "iris"}, context)
    >>> evaluation = evaluate_classifier(context, saved.uri, "sklearn://iris")  # the rows that it was trained on
    >>> evaluation.rows, evaluation.metrics["accuracy"], evaluation.intervals["accuracy"]
    (150, 1.0, Interval(low=1.0, high=1.0))
    """
    from actions.ml_evaluation.evaluation import evaluate_classification

    opened, rows = _open(context, model, data, sha256, "classification")
    curves = learning_curves(storage_path(model, context, "model"))
    evaluation = evaluate_classification(opened, rows, slices, curves, seed)
    _save(evaluation, destination, context)
    return evaluation


@operation(
    stage="evaluate",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
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
    """Evaluate a regressor: RMSE, MAE, MAPE, R2, median and maximum error, residuals, slices, importances.

    RMSE and the errors are in units of the target. MAPE is a fraction, and null if a true value is zero. Each metric
    except the maximum error has a 95 % bootstrap interval from up to 1,000 resamples (fewer if there are many rows).

    Parameters
    ----------
    model
        The model file under the storage root.
    data
        Rows with the model's raw columns and the target. By default, the test rows of the run that trained the model.
    sha256
        The SHA-256 that the model file must have.
    slices
        Columns to slice the rows by: by value, or numbers by quartile. By default, up to five columns with few
        categories.
    destination
        A folder under the storage root. If given, results and plots are saved there, as by ``save_evaluation_results``.
    seed
        Seed of the resampling and of permutation importance.

    Raises
    ------
    InvalidInput
        ``bucket_not_found``, ``data_empty``, ``data_not_found``, ``data_outside_roots``, ``data_unreadable``,
        ``digest_mismatch``, ``duplicate_columns``, ``infinite_values``, ``missing_columns``, ``model_unreadable``,
        ``no_rows``, ``object_too_large``, ``outside_storage``, ``rows_empty``, ``signature_unreadable``,
        ``slice_column_missing``, ``target_has_missing_values``, ``target_missing``, ``too_many_columns``,
        ``unknown_columns``, ``unknown_dataset``, ``unnamed_column``, ``unsupported_column_type``,
        ``unsupported_format``, ``unsupported_scheme``, ``untrusted_types``, ``wrong_task``, ``wrong_type``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``predictions_not_finite``, ``s3_refused``.
    NotFound
        ``model_not_found``, ``test_rows_not_found``.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> rows = {"data": "sklearn://diabetes", "target": "target"}
    >>> training = find_operation("train_supervised_regressor").call({**rows, "destination": "out"}, context)
    >>> saved = find_operation("save_model").call({"training": "out", "destination": "out", "name": "sugar"}, context)
    >>> evaluation = evaluate_regressor(context, saved.uri, "sklearn://diabetes", slices=["sex"])
    >>> round(evaluation.metrics["r2"], 2), [part.rows for part in evaluation.slices]
    (0.52, [235, 207])
    """
    from actions.ml_evaluation.evaluation import evaluate_regression

    opened, frame = _open(context, model, data, sha256, "regression")
    curves = learning_curves(storage_path(model, context, "model"))
    evaluation = evaluate_regression(opened, frame, slices, curves, seed)
    _save(evaluation, destination, context)
    return evaluation


def learning_curves(model: Path) -> list[Curve]:
    """Return the losses by round that the training recorded next to a model file, in at most 200 points each."""
    try:
        record = TrainingRecord.model_validate_json(model.with_name(TRAINING_FILE).read_bytes())
    except (OSError, ValidationError):
        return []
    curves = []
    for part, losses in record.curves.items():
        for name, values in losses.items():
            step = -(-len(values) // _MAX_POINTS) or 1
            points = [(float(number), value) for number, value in enumerate(values, start=1) if value is not None][
                ::step
            ]
            if points:
                x, y = zip(*points, strict=True)
                curves.append(Curve(label=f"{part} {name}", x=list(x), y=list(y)))
    return curves


def rows_to_evaluate(data: DataUri | None, model: StorageUri, target: str, context: Context) -> pd.DataFrame:
    """Read the given rows, or else the test rows of the run that trained the model, without rows that lack a target."""
    frame = frame_of(uri_of_test_rows(model, context) if data is None else data, context)
    return frame.dropna(subset=[target]) if target in frame else frame


def _open(
    context: Context, model: StorageUri, data: DataUri | None, sha256: str | None, task: SupervisedTask
) -> tuple[Model, pd.DataFrame]:
    opened = open_model(storage_path(model, context, "model"), sha256)
    if opened.signature.task != task:
        raise InvalidInput(
            "wrong_task",
            rule=f"The model must have been trained for {task}.",
            found=f"{opened.signature.task}.",
            next_step="Use the operation that evaluates models of its task.",
            field="model",
        )
    return opened, rows_to_evaluate(data, model, opened.signature.target, context)


def _save(evaluation: Evaluation, destination: StorageUri | None, context: Context) -> None:
    if destination is not None:
        from actions.ml_evaluation.save import save_evaluation

        save_evaluation(evaluation, storage_path(destination, context, "destination"), context)
