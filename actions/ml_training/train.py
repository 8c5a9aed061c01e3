"""The operations that train a classifier or a regressor on prepared rows."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Classifier, Regressor, Scalar, Sha256
from actions.contracts.results import SearchFacts
from actions.data_preparation.checks import feature_checks, require, target_checks
from actions.data_preparation.columns import describe
from actions.data_preparation.preprocess import fitted_preprocessor, kinds_of
from actions.data_preparation.readers import frame_sha256
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.data_preparation.tables import frame_of
from actions.errors import InvalidInput
from actions.ml_training.interruption import Told, told_to_stop
from actions.ml_training.progress import IN_ROUNDS, Watch, fingerprint
from actions.ml_training.recipe import Recipe
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
    """A trained model under the storage root."""

    uri: str = Field(description="the model file")
    sha256: Sha256
    size_bytes: int = Field(ge=0)
    training_uri: str = Field(description="what was seen while it was trained, as JSON")
    metrics: dict[str, float] = Field(description="on training and validation rows")
    warnings: list[str] = Field(default_factory=list)


@operation(stage="train", where="runner", idempotent=True)
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
    """Train a classifier; the saved model takes raw rows and answers with the target's own labels.

    Parameters
    ----------
    data
        The training rows, with their raw columns and the target.
    target
        The column to predict.
    destination
        The folder under the storage root to write ``model.skops`` and ``training.json`` to.
    algorithm
        random_forest, logistic_regression, xgboost or neural_network (PyTorch).
    hyperparameters
        By the names of scikit-learn or XGBoost, those of the neural network as its class names them; empty: the defaults.
        ``class_weight: balanced`` makes rare classes count as much as frequent ones.
    seed
        The same seed on the same rows gives the same model.
    validation
        Rows that are watched while training goes on; XGBoost stops early by them if ``early_stopping_rounds`` is
        set, the neural network by its ``patience``.
    preprocessor
        What ``preprocess_supervised`` saved. Without it, one is fitted on the training rows.
    resume
        Whether to go on from the checkpoint that an interrupted training of the same kind on the same rows has left in the
        destination.

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
    recipe = Recipe("classification", algorithm, target, hyperparameters or {}, seed)
    return _train(context, recipe, data, validation, preprocessor, destination, resume=resume)


@operation(stage="train", where="runner", idempotent=True)
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
    """Train a regressor; the saved model takes raw rows and answers with numbers.

    Parameters
    ----------
    data
        The training rows, with their raw columns and the target.
    target
        The column to predict.
    destination
        The folder under the storage root to write ``model.skops`` and ``training.json`` to.
    algorithm
        linear_regression, random_forest, xgboost or neural_network (PyTorch).
    hyperparameters
        By the names of scikit-learn or XGBoost, those of the neural network as its class names them; empty: the defaults.
    seed
        The same seed on the same rows gives the same model.
    validation
        Rows that are watched while training goes on; XGBoost stops early by them if ``early_stopping_rounds`` is
        set, the neural network by its ``patience``.
    preprocessor
        What ``preprocess_supervised`` saved. Without it, one is fitted on the training rows.
    resume
        Whether to go on from the checkpoint that an interrupted training of the same kind on the same rows has left in the
        destination.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.storage.folder import Storage
    >>> context = Context(storage=Storage(Path(mkdtemp())))
    >>> made = train_supervised_regressor(context, "sklearn://diabetes", "target", "models/progression")
    >>> made.uri, round(made.metrics["train_r2"], 2)
    ('models/progression/model.skops', 0.52)
    """
    recipe = Recipe("regression", algorithm, target, hyperparameters or {}, seed)
    return _train(context, recipe, data, validation, preprocessor, destination, resume=resume)


def _train(
    context: Context,
    recipe: Recipe,
    data: str,
    validation: str | None,
    preprocessor: str | None,
    destination: str,
    *,
    resume: bool,
) -> TrainedModel:
    """Check and read what the operation was given; nothing is written before everything is checked."""
    folder = storage_path(destination, context, "destination")
    train, watched, steps = read_and_check(context, recipe, data, validation, preprocessor)
    return train_model(context, recipe, steps, train, watched, folder, resume=resume)


def read_and_check(
    context: Context, recipe: Recipe, data: str, validation: str | None, preprocessor: str | None
) -> tuple[pd.DataFrame, pd.DataFrame | None, Any]:
    """Return training rows, validation rows and a fitted preprocessor; each is checked."""
    train = frame_of(data, context)
    require([check for check in target_checks(train, recipe.target, recipe.task) if check.name not in _OF_WHOLE_DATA])
    train = train.dropna(subset=[recipe.target])
    watched = frame_of(validation, context).dropna(subset=[recipe.target]) if validation is not None else None
    if preprocessor is not None:
        steps = open_fitted(storage_path(preprocessor, context, "preprocessor"), None)
    else:
        columns = [describe(train[name]) for name in train.columns]
        require(feature_checks(train, columns, recipe.target))
        steps = fitted_preprocessor(train.drop(columns=recipe.target), kinds_of(columns, recipe.target))
    return train, watched, steps


def _heard_if_of_use(recipe: Recipe) -> AbstractContextManager[Told]:
    """Hear signals where training looks at them each round; what is one call of a library is ended by them at once."""
    told_between = recipe.algorithm in (*IN_ROUNDS, "random_forest")
    return told_to_stop() if told_between else nullcontext(lambda: False)


def _work(recipe: Recipe, rows_sha256: Future[Sha256], validation: pd.DataFrame | None) -> str:
    """Return what a checkpoint belongs to; an algorithm that keeps none need not look at the validation rows for it."""
    if recipe.algorithm not in IN_ROUNDS:
        return ""
    watched = frame_sha256(validation) if validation is not None else None
    return fingerprint(recipe, rows=rows_sha256.result(), validation=watched, packages=package_versions())


_OF_WHOLE_DATA = ("too_few_rows", "single_row_class")
"""Rules of a data set that its training part alone need not keep."""


def train_model(
    context: Context,
    recipe: Recipe,
    preprocessor: Any,
    train: pd.DataFrame,
    validation: pd.DataFrame | None,
    folder: Path,
    *,
    resume: bool = True,
    search: SearchFacts | None = None,
) -> TrainedModel:
    """Train on checked rows behind a fitted preprocessor; write ``model.skops`` and ``training.json``.

    The latter tells of the search that the hyperparameters come from, if there was one. While it lasts, the folder holds a checkpoint and the loss curves so far. It goes on from a checkpoint of the same work.
    """
    from actions.ml_training.fitting import fit_pipeline
    from actions.ml_training.hyperparameters import check_hyperparameters

    if recipe.hyperparameters:
        check_hyperparameters(recipe.task, recipe.algorithm, recipe.hyperparameters)
    with _heard_if_of_use(recipe) as told, ThreadPoolExecutor(max_workers=1) as beside:
        # Large tables: digests leave the other cores to the training.
        rows_sha256 = beside.submit(frame_sha256, train)
        watch = Watch(context.report, folder, _work(recipe, rows_sha256, validation), told, resume)
        try:
            fitted = fit_pipeline(recipe, preprocessor, train, validation, watch)
        except InvalidInput:
            watch.finished()  # trying again as it is cannot help: nothing is kept for that
            raise
    context.report("saving the model")
    path = folder / MODEL_FILE
    sha256 = save_fitted(fitted.pipeline, path)
    kinds = fitted.pipeline[0][0].kinds
    signature = Signature(
        task=recipe.task,
        algorithm=recipe.algorithm,
        target=recipe.target,
        columns=[RawColumn(name=name, dtype=str(train[name].dtype), kind=kind) for name, kind in kinds.items()],
        classes=fitted.classes,
        hyperparameters=dict(recipe.hyperparameters),
        seed=recipe.seed,
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
    watch.finished()
    return TrainedModel(
        uri=context.storage.uri(path),
        sha256=sha256,
        size_bytes=path.stat().st_size,
        training_uri=context.storage.uri(folder / TRAINING_FILE),
        metrics=fitted.metrics,
        warnings=fitted.warnings,
    )
