"""The operation that makes further features of raw columns, as part of the preprocessor that a model is saved with."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.features import Bins, DatePart, Degree, Keep, Selection, Variance
from actions.contracts.request import Task
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

_MOST_NAMES = 1_000
_OF_WHOLE_DATA = ("too_few_rows", "single_row_class")


class Features(Preprocessor):
    """A fitted preprocessor that makes the features, saved under the storage root, and what comes out of it."""

    names: list[str] = Field(description="of the features, in their order, at most a thousand")
    left_out: list[str] = Field(description="features that the selection dropped, at most a thousand")
    scores: dict[str, float] = Field(description="what each feature tells about the target, in nats, most first")


@operation(stage="prepare", where="runner", idempotent=True)
def feature_engineering(  # noqa: PLR0913  # an operation's parameters are its public arguments
    context: Context,
    data: DataUri,
    target: str,
    destination: StorageUri,
    *,
    task: Task | None = None,
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
    """Fit a preprocessor that makes further features on training rows, and save it for training and serving.

    Does what ``preprocess_supervised`` does, and beside it what is asked for. Give the training part alone, so that nothing
    is learnt from test rows, and the outcome to training as its ``preprocessor``.

    Parameters
    ----------
    data
        The training rows, with their raw columns and the target.
    target
        The column to predict.
    destination
        The folder under the storage root to write ``preprocessor.skops`` to.
    task
        classification or regression. Without it: regression where the target holds many numbers.
    polynomial
        Columns of numbers to make all products of, up to ``degree``: x, y, x², xy, y².
    degree
        How many factors a product has at most.
    interactions
        Columns of numbers to make products of each two of.
    bins
        For a column of numbers, how many bins with about the same number of rows each to part it into.
    date_parts
        What to take of each date; month_sin and month_cos go around with the year, and so on.
    target_encoding
        Columns of categories to replace by the mean of the target (each class's share), shrunk towards that of all rows.
        Training rows are encoded by the targets of other rows than their own.
    frequency_encoding
        Columns of categories to replace by their share of the rows.
    selection
        mutual_information: the ``keep`` features that tell most about the target by themselves; variance: those that vary
        more than ``minimum_variance``. Numbers are scaled to a variance of 1 before; so it leaves out what is constant, and
        categories and bins that few rows are in.
    keep
        How many features mutual information keeps.
    minimum_variance
        0 leaves out what is constant. A category that a share p of rows is in has the variance p(1 - p).
    seed
        Of the folds of target encoding, and of the rows that mutual information looks at.

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
    found = [*target_checks(frame, target, task), *feature_checks(frame, columns, target)]
    said = require([check for check in found if check.name not in _OF_WHOLE_DATA])
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
    context.report(f"making features of {len(frame)} rows")
    fitted, more = fitted_features(frame.drop(columns=target), frame[target], kinds, plan, seed)
    path = folder / PREPROCESSOR_FILE
    sha256 = save_fitted(fitted, path)
    names, left_out, scores = _outcome(fitted)
    return Features(
        uri=context.storage.uri(path),
        sha256=sha256,
        kinds=kinds,
        features=len(names),
        warnings=[*said, *more],
        names=names[:_MOST_NAMES],
        left_out=left_out[:_MOST_NAMES],
        scores=dict(list(scores.items())[:_MOST_NAMES]),
    )


def fitted_features(
    rows: pd.DataFrame, target: pd.Series[Any], kinds: dict[str, Kind], plan: FeaturePlan, seed: int
) -> tuple[Any, list[str]]:
    """Fit a preprocessor with further features on training rows; return it and what the libraries warned of."""
    from actions.data_preparation.transformers import build_preprocessor, learnable

    preprocessor = build_preprocessor(kinds, plan, seed)
    numbers = learnable(target.to_numpy(), plan.task or "classification") if plan.reads_target else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted = preprocessor.fit(rows, numbers)
        except ValueError as error:
            raise InvalidInput(
                "features_refused",
                rule="The features can be made of these rows.",
                found=str(error).strip()[:500],
                next_step="Ask for less variance, fewer bins or other columns, or give more rows.",
                field="selection" if "variance" in str(error).lower() else "data",
            ) from None
    return fitted, sorted({f"{warning.message}"[:500] for warning in caught})[:20]


def _outcome(fitted: Any) -> tuple[list[str], list[str], dict[str, float]]:
    """Return the features' names, those that were left out, and what each tells about the target."""
    import numpy as np

    made = [str(name) for name in fitted[1].get_feature_names_out()]
    if len(fitted) == 2:  # noqa: PLR2004  # columns and features, no selection
        return made, [], {}
    kept = fitted[2].get_support()
    names = [name for name, stays in zip(made, kept, strict=True) if stays]
    left_out = [name for name, stays in zip(made, kept, strict=True) if not stays]
    told = getattr(fitted[2], "scores_", None)
    if told is None:
        return names, left_out, {}
    order = np.argsort(-told, kind="stable")
    return names, left_out, {made[index]: round(float(told[index]), 6) for index in order}
