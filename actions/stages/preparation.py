"""The stage prepare: one pass over the data in memory; everything is checked before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actions.data_preparation.checks import feature_checks, require, target_checks
from actions.data_preparation.columns import Kind
from actions.data_preparation.files import write_frame
from actions.data_preparation.loading import Dataset, dataset_of
from actions.data_preparation.preprocessing import Preprocessor, fitted_preprocessor, kinds_of
from actions.data_preparation.reading import read_frame
from actions.data_preparation.sources import resolve
from actions.data_preparation.splitting import PARTS, TEST_FRACTION, VALIDATION_FRACTION, Part, Strategy, split_labels
from actions.fitted import save_fitted
from actions.operation import Context
from actions.request import TrainingRequest, WorkOrder
from actions.results import DataFacts
from actions.stages.records import folder_of
from actions.stages.results import Prepared

if TYPE_CHECKING:
    import pandas as pd

_MOST_WARNINGS = 50


def prepare(order: WorkOrder, context: Context) -> Prepared:
    """Load and check the data, split it, fit the preprocessor on the training part; then write all that."""
    request = order.request
    if request.hyperparameters:
        from actions.ml_training.hyperparameters import check_hyperparameters

        check_hyperparameters(request.task, request.algorithm, request.hyperparameters)
    if request.is_searched:
        from actions.stages.searching import check_search

        check_search(request)
    context.report("reading the data")
    source = resolve(request.data, context, order.repository)
    frame = read_frame(source)
    dataset = dataset_of(source, frame)
    context.report("checking the data")
    checks = target_checks(frame, request.target, request.task)
    warnings = require([*checks, *feature_checks(frame, dataset.columns, request.target)])
    frame = frame.dropna(subset=[request.target])
    context.report("splitting")
    parts = _split(frame, request)
    context.report("fitting the preprocessor")
    kinds = kinds_of(dataset.columns, request.target)
    preprocessor = _fitted(parts["train"], kinds, request)
    context.report("saving")
    return _save(order, context, dataset, parts, preprocessor, kinds, warnings)


def _split(frame: pd.DataFrame, request: TrainingRequest) -> dict[Part, pd.DataFrame]:
    """Split by the request's own seed, so that each attempt has the same test rows; each class is in train and test."""
    strategy: Strategy = "stratified" if request.task == "classification" else "random"
    labels = split_labels(frame, strategy, request.target, TEST_FRACTION, VALIDATION_FRACTION, request.seed)
    return {part: frame[labels == part] for part in PARTS}


def _fitted(train: pd.DataFrame, kinds: dict[str, Kind], request: TrainingRequest) -> Any:
    """Fit the preprocessor; try the hyperparameters too, if there are any, on a few training rows."""
    rows = train.drop(columns=request.target)
    preprocessor = fitted_preprocessor(rows, kinds)
    if request.hyperparameters:
        from actions.ml_training.fitting import target_values
        from actions.ml_training.hyperparameters import rehearse

        target = target_values(train, request.target, request.task)
        rehearse(request.task, request.algorithm, request.hyperparameters, preprocessor.transform(rows), target)
    return preprocessor


def _save(
    order: WorkOrder,
    context: Context,
    dataset: Dataset,
    parts: dict[Part, pd.DataFrame],
    preprocessor: Any,
    kinds: dict[str, Kind],
    warnings: list[str],
) -> Prepared:
    folder = folder_of("prepare", order, context.storage)
    tables = {part: write_frame(rows, folder / f"{part}.parquet", context) for part, rows in parts.items() if len(rows)}
    path = folder / "preprocessor.skops"
    sha256 = save_fitted(preprocessor, path)
    facts = DataFacts(
        uri=dataset.uri,
        sha256=dataset.sha256,
        rows=dataset.rows,
        columns=len(dataset.columns),
        train_rows=len(parts["train"]),
        validation_rows=len(parts["validation"]),
        test_rows=len(parts["test"]),
        warnings=[warning[:500] for warning in warnings[:_MOST_WARNINGS]],
    )
    features = int(preprocessor.transform(parts["train"].drop(columns=order.request.target).head(1)).shape[1])
    return Prepared(
        data=facts,
        train=tables["train"],
        validation=tables.get("validation"),
        test=tables["test"],
        preprocessor=Preprocessor(uri=context.storage.uri(path), sha256=sha256, kinds=kinds, features=features),
    )
