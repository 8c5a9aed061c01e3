"""The operation that derives more features from raw columns, as part of the preprocessor that is saved with a model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.features import Bins, DatePart, Degree, Keep, Selection, Variance
from actions.contracts.supervised import SupervisedTask
from actions.data_preparation.checks import feature_checks, require, target_checks
from actions.data_preparation.columns import Kind, describe
from actions.data_preparation.feature_plan import FeaturePlan, check_plan
from actions.data_preparation.preprocess import PREPROCESSOR_FILE, Preprocessor, kinds_of
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.data_preparation.tables import frame_of
from actions.data_preparation.validate import likely_task
from actions.errors import InvalidInput
from actions.operation import operation
from actions.storage.skops_file import save_fitted

if TYPE_CHECKING:
    import pandas as pd

_MAX_NAMES = 1_000
_NOT_FOR_PARTS = ("too_few_rows", "single_row_class")
"""Checks of a whole data set that its training part need not pass."""


class Features(Preprocessor):
    """A fitted preprocessor, saved under the storage root, and the features that it computes."""

    names: list[str] = Field(description="names of the features, in order; at most a thousand")
    left_out: list[str] = Field(description="names of the features that the selection dropped; at most a thousand")
    scores: dict[str, float] = Field(
        description="mutual information of each feature with the target, in nats, highest first"
    )


@operation(
    stage="prepare",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def feature_engineering(  # noqa: PLR0913  # an operation's parameters are its public arguments
    context: Context,
    data: DataUri,
    target: str,
    destination: StorageUri,
    *,
    task: SupervisedTask | None = None,
    polynomial: list[str] | None = None,
    degree: Degree = 2,
    interactions: list[str] | None = None,
    bins: dict[str, Bins] | None = None,
    date_parts: list[DatePart] | None = None,
    target_encoding: list[str] | None = None,
    frequency_encoding: list[str] | None = None,
    selection: Selection | None = None,
    keep: Keep = 20,
    minimum_variance: Variance = 0.0,
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 42,
) -> Features:
    """Fit a preprocessor that derives more features, and save it for training and serving.

    It does everything that ``preprocess_supervised`` does, plus what the parameters ask for. Fit it on the training
    rows only, so that nothing is learned from test rows, and pass its URI to the training operation as
    ``preprocessor``.

    Parameters
    ----------
    data
        The training rows: the raw columns and the target.
    target
        The column to predict.
    destination
        The folder under the storage root that ``preprocessor.skops`` is written to.
    task
        classification or regression. By default, regression if the target has many different numbers.
    polynomial
        Numeric columns to compute all products of, up to ``degree``: x, y, x², xy, y².
    degree
        The maximum number of factors in a product.
    interactions
        Numeric columns to compute all products of two of.
    bins
        For each numeric column, the number of bins to divide it into. The bins contain about the same number of rows
        each.
    date_parts
        What to extract from dates; month_sin and month_cos are cyclic encodings of the month, and so on.
    target_encoding
        Categorical columns to replace with the mean of the target (with each class's share), shrunk towards the overall
        mean. Training rows are encoded with the targets of other rows only (cross-fitting).
    frequency_encoding
        Categorical columns to replace with each category's share of the rows.
    selection
        mutual_information keeps the ``keep`` features that say most about the target individually; variance keeps those
        that vary more than ``minimum_variance``. Numbers are scaled to a variance of 1 first, so the latter drops
        constant features, and categories and bins with few rows.
    keep
        The number of features that mutual_information keeps.
    minimum_variance
        0 drops constant features only. A category that a share p of the rows has, has the variance p(1 - p).
    seed
        Seed for the folds of target encoding and for the rows that mutual information is estimated on.

    Raises
    ------
    InvalidInput
        ``column_wrong_kind``: a named column has another kind than the option needs. ``features_contradict``: the
        options exclude each other. ``features_refused``: the features cannot be computed from these rows.
        ``too_many_features``: the products of columns would be too many. ``unknown_column``: there is no such
        column. ``bucket_not_found``, ``data_empty``, ``data_not_found``, ``data_outside_roots``,
        ``data_unreadable``, ``duplicate_columns``, ``empty_column``, ``infinite_values``, ``mixed_types``,
        ``no_features``, ``object_too_large``, ``outside_storage``, ``target_constant``, ``target_empty``,
        ``target_missing``, ``target_wrong_kind``, ``too_many_columns``, ``unknown_dataset``, ``unnamed_column``,
        ``unsupported_column_type``, ``unsupported_format``, ``unsupported_scheme``, ``wrong_type``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> made = feature_engineering(
    ...     Context(Storage(Path("storage"))),
    ...     "sklearn://diabetes",
    ...     "target",
    ...     "diabetes",
    ...     interactions=["bmi", "bp", "s5"],
    ...     selection="mutual_information",
    ...     keep=3,
    ... )
    >>> made.names
    ['number__s6', 'interaction__bmi', 'interaction__s5']
    """
    folder = storage_path(destination, context, "destination")
    frame = frame_of(data, context)
    columns = [describe(frame[name]) for name in frame.columns]
    task = task or likely_task(frame, target)
    checks = [*target_checks(frame, target, task), *feature_checks(frame, columns, target)]
    data_warnings = require([check for check in checks if check.name not in _NOT_FOR_PARTS])
    frame = frame.dropna(subset=[target])
    plan = FeaturePlan(
        polynomial=tuple(polynomial or ()),
        degree=degree,
        interactions=tuple(interactions or ()),
        bins=bins or {},
        date_parts=tuple(date_parts or ()),
        target_encoding=tuple(target_encoding or ()),
        frequency_encoding=tuple(frequency_encoding or ()),
        selection=selection,
        keep=keep,
        minimum_variance=minimum_variance,
        task=task,
        classes=int(frame[target].nunique()) if task == "classification" else None,
    )
    check_plan(plan, columns, target)
    kinds = kinds_of(columns, target)
    context.report(f"computing features of {len(frame)} rows")
    fitted, fit_warnings = fit_features(frame.drop(columns=target), frame[target], kinds, plan, seed)
    path = folder / PREPROCESSOR_FILE
    sha256 = save_fitted(fitted, path)
    names, left_out, scores = _selected(fitted)
    return Features(
        uri=context.storage.uri(path),
        sha256=sha256,
        kinds=kinds,
        features=len(names),
        warnings=[*data_warnings, *fit_warnings],
        names=names[:_MAX_NAMES],
        left_out=left_out[:_MAX_NAMES],
        scores=dict(list(scores.items())[:_MAX_NAMES]),
    )


def fit_features(
    rows: pd.DataFrame, target: pd.Series[Any], kinds: dict[str, Kind], plan: FeaturePlan, seed: int
) -> tuple[Any, list[str]]:
    """Fit a preprocessor for a feature plan on training rows; return it and the libraries' warnings."""
    from actions.data_preparation.transformers import build_preprocessor, encode_target

    preprocessor = build_preprocessor(kinds, plan, seed)
    numbers = encode_target(target.to_numpy(), plan.task or "classification") if plan.reads_target else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted = preprocessor.fit(rows, numbers)
        except ValueError as error:
            raise InvalidInput(
                "features_refused",
                rule="It must be possible to compute the features from these rows.",
                found=str(error).strip()[:500],
                next_step="Ask for a lower variance, fewer bins or other columns, or provide more rows.",
                field="selection" if "variance" in str(error).lower() else "data",
            ) from None
    return fitted, sorted({f"{warning.message}"[:500] for warning in caught})[:20]


def _selected(fitted: Any) -> tuple[list[str], list[str], dict[str, float]]:
    """Return the names of the features, those that the selection dropped, and the score of each."""
    import numpy as np

    computed = [str(name) for name in fitted[1].get_feature_names_out()]
    if len(fitted) == 2:  # noqa: PLR2004  # columns and features, but no selection
        return computed, [], {}
    kept = fitted[2].get_support()
    names = [name for name, is_kept in zip(computed, kept, strict=True) if is_kept]
    left_out = [name for name, is_kept in zip(computed, kept, strict=True) if not is_kept]
    scores = getattr(fitted[2], "scores_", None)
    if scores is None:
        return names, left_out, {}
    order = np.argsort(-scores, kind="stable")
    return names, left_out, {computed[index]: round(float(scores[index]), 6) for index in order}
