"""Prepare tables: one pass over the data in memory; everything is checked before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actions.contracts.results import DataFacts
from actions.data_preparation.checks import feature_checks, require, target_checks
from actions.data_preparation.columns import Kind
from actions.data_preparation.feature_plan import FeaturePlan, check_plan
from actions.data_preparation.features import fit_features
from actions.data_preparation.load import Dataset, dataset_of
from actions.data_preparation.preprocess import Preprocessor, fit_raw, kinds_of
from actions.data_preparation.readers import read_frame
from actions.data_preparation.sources import resolve
from actions.data_preparation.split import (
    PARTS,
    TEST_FRACTION,
    VALIDATION_FRACTION,
    Part,
    Strategy,
    part_classes,
    split_labels,
)
from actions.data_preparation.tables import write_frame
from actions.errors import InvalidInput
from actions.storage.skops_file import save_fitted
from actions.tasks.tabular.request import TabularRequest
from actions.tasks.tabular.results import PreparedTables
from actions.tasks.task import StageWork

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_MAX_WARNINGS = 50


def prepare(work: StageWork[TabularRequest]) -> PreparedTables:
    """Load and check the data, split it, fit the preprocessor on the training part; then write all of it."""
    request, context = work.request, work.context
    if request.hyperparameters:
        from actions.ml_training.hyperparameters import check_hyperparameters

        check_hyperparameters(request.task, request.algorithm, request.hyperparameters)
    if request.is_searched:
        from actions.tasks.tabular.search import check_search

        check_search(request)
    context.report("reading the data")
    source = resolve(request.data, context, work.order.repository)
    frame = read_frame(source)
    dataset = dataset_of(source, frame)
    context.report("checking the data")
    checks = target_checks(frame, request.target, request.task)
    warnings = require([*checks, *feature_checks(frame, dataset.columns, request.target)])
    frame = frame.dropna(subset=[request.target])
    plan = _plan(frame, dataset, request)
    context.report("splitting")
    parts = _split(frame, request)
    context.report("fitting the preprocessor")
    kinds = _kinds(dataset, request)
    preprocessor, remarks = _fit(parts["train"], kinds, plan, request)
    context.report("saving")
    return _save(work, dataset, parts, preprocessor, kinds, [*warnings, *remarks])


def _plan(frame: pd.DataFrame, dataset: Dataset, request: TabularRequest) -> FeaturePlan:
    """Return the requested features, checked against the data's columns."""
    classes = int(frame[request.target].nunique()) if request.task == "classification" else None
    plan = FeaturePlan(**dict(request.features), task=request.task, classes=classes)
    check_plan(plan, dataset.columns, request.target)
    return plan


def _kinds(dataset: Dataset, request: TabularRequest) -> dict[str, Kind]:
    """Return how each column is treated. A column that separates groups is not a feature: later rows have other groups."""
    kinds = kinds_of(dataset.columns, request.target)
    if request.split == "group" and request.split_column in kinds:
        kinds[request.split_column] = "ignored"
        if set(kinds.values()) == {"ignored"}:
            raise InvalidInput(
                "no_features",
                rule="The data must have at least one column besides the target and the group column.",
                found="none.",
                next_step="Provide data with more columns, or choose another split.",
                field="split_column",
            )
    return kinds


def _split(frame: pd.DataFrame, request: TabularRequest) -> dict[Part, pd.DataFrame]:
    """Split by the request's own seed, so that each attempt has the same test rows."""
    default: Strategy = "stratified" if request.task == "classification" else "random"
    strategy = default if request.split == "auto" else request.split
    column = request.target if strategy == "stratified" else request.split_column
    try:
        labels = split_labels(frame, strategy, column, TEST_FRACTION, VALIDATION_FRACTION, request.seed)
    except InvalidInput as error:
        if error.problem.field != "column":
            raise
        raise InvalidInput.from_problem(error.problem, field="split_column") from None
    if request.task == "classification":
        part_classes(frame, labels, request.target)
        _check_known_classes(frame, labels, request)
    return {part: frame[labels == part] for part in PARTS}


def _check_known_classes(frame: pd.DataFrame, labels: np.ndarray[Any, Any], request: TabularRequest) -> None:
    """Refuse test rows whose class is not in the training rows: a model cannot predict it."""
    target = frame[request.target]
    missing = sorted({*target[labels == "test"].unique()} - {*target[labels == "train"].unique()}, key=str)
    if missing:
        raise InvalidInput(
            "class_not_in_training",
            rule="Each class in the test rows must also be in the training rows.",
            found=f"with split {request.split}, no training row has {', '.join(repr(str(label)[:100]) for label in missing[:10])} "
            f"in column {request.target!r}.",
            next_step="Split stratified or by another column, or remove these classes.",
            field="split",
        )


def _fit(
    train: pd.DataFrame, kinds: dict[str, Kind], plan: FeaturePlan, request: TabularRequest
) -> tuple[Any, list[str]]:
    """Fit the preprocessor; if there are hyperparameters, try them on a few training rows.

    The trial's model is thrown away: it is there to fail early. So its rows are transformed as test rows are, without the
    cross-fitted target encoding that train computes.
    """
    rows, remarks = train.drop(columns=request.target), list[str]()
    if request.features:
        preprocessor, remarks = fit_features(rows, train[request.target], kinds, plan, request.seed)
    else:
        preprocessor = fit_raw(rows, kinds)
    if request.hyperparameters:
        from actions.ml_training.hyperparameters import rehearse
        from actions.models.targets import target_values

        target = target_values(train, request.target, request.task)
        rehearse(request.task, request.algorithm, request.hyperparameters, preprocessor.transform(rows), target)
    return preprocessor, remarks


def _save(
    work: StageWork[TabularRequest],
    dataset: Dataset,
    parts: dict[Part, pd.DataFrame],
    preprocessor: Any,
    kinds: dict[str, Kind],
    warnings: list[str],
) -> PreparedTables:
    folder, context = work.folder, work.context
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
        warnings=[warning[:500] for warning in warnings[:_MAX_WARNINGS]],
    )
    features = int(preprocessor.transform(parts["train"].drop(columns=work.request.target).head(1)).shape[1])
    return PreparedTables(
        data=facts,
        train=tables["train"],
        validation=tables.get("validation"),
        test=tables["test"],
        preprocessor=Preprocessor(uri=context.storage.uri(path), sha256=sha256, kinds=kinds, features=features),
    )
