"""The operations that train a classifier or a regressor."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.algorithms import Classifier, Regressor
from actions.contracts.request import Sha256
from actions.contracts.results import SearchFacts
from actions.contracts.scalar import Scalar
from actions.data_preparation.checks import feature_checks, require, target_checks
from actions.data_preparation.columns import describe
from actions.data_preparation.preprocess import fit_raw, kinds_of
from actions.data_preparation.readers import frame_sha256
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.data_preparation.tables import frame_of
from actions.errors import InvalidInput
from actions.ml_training.interruption import IsInterrupted, until_interrupted
from actions.ml_training.progress import TrainingProgress, fingerprint
from actions.ml_training.registry import algorithm_named
from actions.ml_training.training_spec import TrainingSpec
from actions.models.saved_model import MODEL_FILE, RawColumn, Signature
from actions.models.training_record import TRAINING_FILE, TrainingRecord
from actions.operation import Result, operation
from actions.runtime.provenance import package_versions
from actions.storage.folder import write_atomically
from actions.storage.skops_file import open_fitted, save_fitted

if TYPE_CHECKING:
    import pandas as pd

Seed = Annotated[int, Field(ge=0, le=2**31 + 8)]


class TrainedModel(Result):
    """A trained model below the storage root."""

    uri: str = Field(description="the model file")
    sha256: Sha256
    size_bytes: int = Field(ge=0)
    training_uri: str = Field(description="JSON file with what was observed during the training")
    metrics: dict[str, float] = Field(description="on the training rows and the validation rows")
    warnings: list[str] = Field(default_factory=list)


@operation(
    stage="train",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def train_supervised_classifier(  # noqa: PLR0913  # an operation's parameters are its public arguments
    context: Context,
    data: DataUri,
    target: str,
    destination: StorageUri,
    *,
    algorithm: Classifier = "random_forest",
    hyperparameters: dict[str, Scalar] | None = None,
    seed: Seed = 42,
    validation: DataUri | None = None,
    preprocessor: StorageUri | None = None,
    resume: bool = True,
) -> TrainedModel:
    """Train a classifier. The saved model takes raw rows and predicts the target's own labels.

    Parameters
    ----------
    data
        The training rows, with their raw columns and the target.
    target
        The column to predict.
    destination
        The folder below the storage root to write ``model.skops`` and ``training.json`` to.
    algorithm
        What to train; docs/algorithms.md describes each.
    hyperparameters
        With the names that the algorithm's library gives them; empty: the library's defaults. ``class_weight:
        balanced`` makes rare classes count as much as frequent ones.
    seed
        The same seed on the same rows gives the same model.
    validation
        Rows that the model is measured on while it is trained. Algorithms that learn in rounds can stop early by them.
    preprocessor
        The file that ``preprocess_supervised`` saved. Without it, a preprocessor is fitted on the training rows.
    resume
        Whether to resume from the checkpoint that an interrupted training with the same arguments left in the
        destination.

    Raises
    ------
    InvalidInput
        ``constant_target_in_training``: all training rows have the same target. ``contradictory_hyperparameters``:
        two hyperparameters exclude each other. ``hyperparameter_refused``: the algorithm does not accept the value.
        ``loss_not_finite``: the loss became infinite or undefined. ``no_validation_rows``: early stopping requires
        validation rows. ``one_class_in_training``: the training rows contain a single class.
        ``reserved_hyperparameter``: the hyperparameter is set by Modelyard itself. ``target_has_missing_values``: a
        row has no target. ``training_refused``: the library cannot train on this data. ``unknown_hyperparameter``:
        the algorithm has no such hyperparameter. ``bucket_not_found``, ``data_empty``, ``data_not_found``,
        ``data_outside_roots``, ``data_unreadable``, ``digest_mismatch``, ``duplicate_columns``, ``empty_column``,
        ``infinite_values``, ``mixed_types``, ``model_unreadable``, ``no_features``, ``object_too_large``,
        ``outside_storage``, ``target_constant``, ``target_empty``, ``target_missing``, ``target_wrong_kind``,
        ``too_many_columns``, ``unknown_dataset``, ``unnamed_column``, ``unsupported_column_type``,
        ``unsupported_format``, ``unsupported_scheme``, ``untrusted_types``, ``wrong_type``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``out_of_memory``: the runner or the GPU has too little memory. ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.
    NotFound
        ``model_not_found``.
    Interrupted
        ``training_interrupted``: the process was asked to stop; a new call resumes.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.storage.folder import Storage
    >>> context = Context(storage=Storage(Path(mkdtemp())))
    >>> made = train_supervised_classifier(
    ...     context, "sklearn://iris", "target", "models/flowers", algorithm="logistic_regression", hyperparameters={"C": 10}
    ... )
    >>> made.uri, round(made.metrics["train_accuracy"], 2)
    ('models/flowers/model.skops', 0.98)
    """
    spec = TrainingSpec("classification", algorithm, target, hyperparameters or {}, seed)
    return _train(context, spec, data, validation, preprocessor, destination, resume=resume)


@operation(
    stage="train",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def train_supervised_regressor(  # noqa: PLR0913  # an operation's parameters are its public arguments
    context: Context,
    data: DataUri,
    target: str,
    destination: StorageUri,
    *,
    algorithm: Regressor = "linear_regression",
    hyperparameters: dict[str, Scalar] | None = None,
    seed: Seed = 42,
    validation: DataUri | None = None,
    preprocessor: StorageUri | None = None,
    resume: bool = True,
) -> TrainedModel:
    """Train a regressor. The saved model takes raw rows and predicts numbers.

    Parameters
    ----------
    data
        The training rows, with their raw columns and the target.
    target
        The column to predict.
    destination
        The folder below the storage root to write ``model.skops`` and ``training.json`` to.
    algorithm
        What to train; docs/algorithms.md describes each.
    hyperparameters
        With the names that the algorithm's library gives them; empty: the library's defaults.
    seed
        The same seed on the same rows gives the same model.
    validation
        Rows that the model is measured on while it is trained. Algorithms that learn in rounds can stop early by them.
    preprocessor
        The file that ``preprocess_supervised`` saved. Without it, a preprocessor is fitted on the training rows.
    resume
        Whether to resume from the checkpoint that an interrupted training with the same arguments left in the
        destination.

    Raises
    ------
    InvalidInput
        ``bucket_not_found``, ``constant_target_in_training``, ``contradictory_hyperparameters``, ``data_empty``,
        ``data_not_found``, ``data_outside_roots``, ``data_unreadable``, ``digest_mismatch``, ``duplicate_columns``,
        ``empty_column``, ``hyperparameter_refused``, ``infinite_values``, ``loss_not_finite``, ``mixed_types``,
        ``model_unreadable``, ``no_features``, ``no_validation_rows``, ``object_too_large``,
        ``one_class_in_training``, ``outside_storage``, ``reserved_hyperparameter``, ``target_constant``,
        ``target_empty``, ``target_has_missing_values``, ``target_missing``, ``target_wrong_kind``,
        ``too_many_columns``, ``training_refused``, ``unknown_dataset``, ``unknown_hyperparameter``,
        ``unnamed_column``, ``unsupported_column_type``, ``unsupported_format``, ``unsupported_scheme``,
        ``untrusted_types``, ``wrong_type``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``out_of_memory``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.
    NotFound
        ``model_not_found``.
    Interrupted
        ``training_interrupted``.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.storage.folder import Storage
    >>> context = Context(storage=Storage(Path(mkdtemp())))
    >>> made = train_supervised_regressor(context, "sklearn://diabetes", "target", "models/progression")
    >>> made.uri, round(made.metrics["train_r2"], 2)
    ('models/progression/model.skops', 0.52)
    """
    spec = TrainingSpec("regression", algorithm, target, hyperparameters or {}, seed)
    return _train(context, spec, data, validation, preprocessor, destination, resume=resume)


def _train(
    context: Context,
    spec: TrainingSpec,
    data: str,
    validation: str | None,
    preprocessor: str | None,
    destination: str,
    *,
    resume: bool,
) -> TrainedModel:
    """Check and read everything before anything is written."""
    folder = storage_path(destination, context, "destination")
    train, watched, steps = read_and_check(context, spec, data, validation, preprocessor)
    return train_model(context, spec, steps, train, watched, folder, resume=resume)


def read_and_check(
    context: Context, spec: TrainingSpec, data: str, validation: str | None, preprocessor: str | None
) -> tuple[pd.DataFrame, pd.DataFrame | None, Any]:
    """Return the training rows, the validation rows and a fitted preprocessor, all checked."""
    train = frame_of(data, context)
    require([check for check in target_checks(train, spec.target, spec.task) if check.name not in _OF_WHOLE_DATA])
    train = train.dropna(subset=[spec.target])
    watched = frame_of(validation, context).dropna(subset=[spec.target]) if validation is not None else None
    if preprocessor is not None:
        steps = open_fitted(storage_path(preprocessor, context, "preprocessor"), None)
    else:
        columns = [describe(train[name]) for name in train.columns]
        require(feature_checks(train, columns, spec.target))
        steps = fit_raw(train.drop(columns=spec.target), kinds_of(columns, spec.target))
    return train, watched, steps


def _notices_interruptions(spec: TrainingSpec) -> AbstractContextManager[IsInterrupted]:
    """Catch signals if the training checks for them; a signal ends a training that is one call of a library at once."""
    return until_interrupted() if algorithm_named(spec.algorithm).can_be_interrupted else nullcontext(lambda: False)


def _work(spec: TrainingSpec, rows_sha256: Future[Sha256], validation: pd.DataFrame | None) -> str:
    """Return what a checkpoint belongs to. It takes a digest of the validation rows, which only algorithms with
    checkpoints need.
    """
    if not algorithm_named(spec.algorithm).keeps_checkpoints:
        return ""
    watched = frame_sha256(validation) if validation is not None else None
    return fingerprint(spec, rows=rows_sha256.result(), validation=watched, packages=package_versions())


_OF_WHOLE_DATA = ("too_few_rows", "single_row_class")
"""Checks that the whole table must pass, but its training part need not."""


def train_model(
    context: Context,
    spec: TrainingSpec,
    preprocessor: Any,
    train: pd.DataFrame,
    validation: pd.DataFrame | None,
    folder: Path,
    *,
    resume: bool = True,
    search: SearchFacts | None = None,
) -> TrainedModel:
    """Train on checked rows behind a fitted preprocessor; write ``model.skops`` and ``training.json``.

    The latter includes the search that chose the hyperparameters, if there was one. During the training the folder
    contains a checkpoint and the loss curves so far; the training resumes from a checkpoint of the same work.
    """
    from actions.ml_training.fitting import fit_pipeline
    from actions.ml_training.hyperparameters import check_hyperparameters

    if spec.hyperparameters:
        check_hyperparameters(spec.task, spec.algorithm, spec.hyperparameters)
    with _notices_interruptions(spec) as is_interrupted, ThreadPoolExecutor(max_workers=1) as beside:
        # The digest of a large table takes one core while the others train.
        rows_sha256 = beside.submit(frame_sha256, train)
        progress = TrainingProgress(
            context.report, folder, _work(spec, rows_sha256, validation), is_interrupted, resume
        )
        try:
            fitted = fit_pipeline(spec, preprocessor, train, validation, progress)
        except InvalidInput:
            progress.finished()  # the same training would fail again: nothing to resume
            raise
    context.report("saving the model")
    path = folder / MODEL_FILE
    sha256 = save_fitted(fitted.pipeline, path)
    kinds = fitted.pipeline[0][0].kinds
    signature = Signature(
        task=spec.task,
        algorithm=spec.algorithm,
        target=spec.target,
        columns=[RawColumn(name=name, dtype=str(train[name].dtype), kind=kind) for name, kind in kinds.items()],
        classes=fitted.classes,
        hyperparameters=dict(spec.hyperparameters),
        seed=spec.seed,
        training_rows=len(train),
        training_rows_sha256=rows_sha256.result(),
        packages=package_versions(),
        model_sha256=sha256,
    )
    record = TrainingRecord(
        signature=signature,
        metrics=fitted.metrics,
        curves=fitted.curves,
        seconds=fitted.seconds,
        rows_per_second=len(train) / max(fitted.seconds, 1e-9),
        warnings=fitted.warnings,
        search=search,
    )
    write_atomically(folder / TRAINING_FILE, record.model_dump_json(indent=2) + "\n")
    progress.finished()
    return TrainedModel(
        uri=context.storage.uri(path),
        sha256=sha256,
        size_bytes=path.stat().st_size,
        training_uri=context.storage.uri(folder / TRAINING_FILE),
        metrics=fitted.metrics,
        warnings=fitted.warnings,
    )
