"""The operations that fit a preprocessor on training rows, which training and serving then share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Sha256
from actions.data_preparation.checks import feature_checks, require
from actions.data_preparation.columns import Column, Kind, describe
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.data_preparation.tables import frame_of
from actions.errors import InvalidInput
from actions.operation import Result, operation
from actions.storage.skops_file import save_fitted
from actions.text.suggestions import nearest_first

if TYPE_CHECKING:
    import pandas as pd


PREPROCESSOR_FILE = "preprocessor.skops"


class Preprocessor(Result):
    """A fitted preprocessor, saved under the storage root."""

    uri: str
    sha256: Sha256
    kinds: dict[str, Kind] = Field(description="how each raw column is treated")
    features: int = Field(ge=0, description="number of features per row")
    warnings: list[str] = Field(default_factory=list)


@operation(
    stage="prepare",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def preprocess_supervised(context: Context, data: DataUri, target: str, destination: StorageUri) -> Preprocessor:
    """Fit a preprocessor on training rows and save it: imputation, scaling, one-hot encoding, date parts.

    Missing numbers are filled with the median, and numbers are scaled. Categories are one-hot encoded; unseen ones are
    ignored. Dates become year, month, day, weekday, hour and days since 1970. Fit it on the training rows only, so that
    nothing is learned from test rows.

    Parameters
    ----------
    data
        The training rows, with their raw columns.
    target
        The column to predict, which is not a feature.
    destination
        The folder under the storage root that ``preprocessor.skops`` is written to.

    Raises
    ------
    InvalidInput
        ``empty_column``: a column has no values. ``mixed_types``: a column contains both numbers and text.
        ``no_features``: there is no column to learn from. ``object_too_large``: a file is too large to upload to S3
        in one piece. ``bucket_not_found``, ``data_empty``, ``data_not_found``, ``data_outside_roots``,
        ``data_unreadable``, ``duplicate_columns``, ``infinite_values``, ``outside_storage``, ``too_many_columns``,
        ``unknown_dataset``, ``unnamed_column``, ``unsupported_column_type``, ``unsupported_format``,
        ``unsupported_scheme``, ``wrong_type``.
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
    >>> iris = preprocess_supervised(Context(Storage(Path("storage"))), "sklearn://iris", "target", "flowers")
    >>> iris.uri, iris.features
    ('flowers/preprocessor.skops', 4)
    """
    folder = storage_path(destination, context, "destination")
    frame = frame_of(data, context)
    columns = [describe(frame[name]) for name in frame.columns]
    warnings = require(feature_checks(frame, columns, target))
    return save_preprocessor(frame.drop(columns=target), kinds_of(columns, target), folder, context, warnings)


@operation(
    stage="prepare",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def preprocess_unsupervised(
    context: Context, data: DataUri, destination: StorageUri, leave_out: list[str] | None = None
) -> Preprocessor:
    """Fit a preprocessor on rows without a target and save it: imputation, scaling, one-hot encoding, date parts.

    It treats each column as ``preprocess_supervised`` does.

    Parameters
    ----------
    data
        The rows, with their raw columns.
    destination
        The folder under the storage root that ``preprocessor.skops`` is written to.
    leave_out
        Columns that are not features, such as an identifier, or labels to compare clusters with. They are optional in
        the rows to transform.

    Raises
    ------
    InvalidInput
        ``bucket_not_found``, ``data_empty``, ``data_not_found``, ``data_outside_roots``, ``data_unreadable``,
        ``duplicate_columns``, ``empty_column``, ``infinite_values``, ``mixed_types``, ``no_features``,
        ``object_too_large``, ``outside_storage``, ``too_many_columns``, ``unknown_column``, ``unknown_dataset``,
        ``unnamed_column``, ``unsupported_column_type``, ``unsupported_format``, ``unsupported_scheme``,
        ``wrong_type``.
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
    >>> context = Context(Storage(Path("storage")))
    >>> iris = preprocess_unsupervised(context, "sklearn://iris", "flowers", leave_out=["target"])
    >>> iris.features, iris.kinds["target"]
    (4, 'ignored')
    """
    folder = storage_path(destination, context, "destination")
    frame = frame_of(data, context)
    names = [str(name) for name in frame.columns]
    unknown = [name for name in leave_out or () if name not in names]
    if unknown:
        raise InvalidInput(
            "unknown_column",
            rule="leave_out must name columns of the data.",
            found=f"no column {unknown[0]!r}.",
            next_step=f"The data's columns, most similar first: {nearest_first(unknown[0], names)}.",
            field="leave_out",
        )
    used = frame.drop(columns=leave_out or [])
    columns = [describe(used[name]) for name in used.columns]
    warnings = require(feature_checks(used, columns, None))
    known: dict[str, Kind] = {column.name: column.kind for column in columns}
    kinds: dict[str, Kind] = {name: known.get(name, "ignored") for name in names}
    return save_preprocessor(frame, kinds, folder, context, warnings)


def kinds_of(columns: list[Column], target: str) -> dict[str, Kind]:
    """Return how each column is treated, leaving out the target."""
    return {column.name: column.kind for column in columns if column.name != target}


def save_preprocessor(
    rows: pd.DataFrame, kinds: dict[str, Kind], folder: Path, context: Context, warnings: list[str]
) -> Preprocessor:
    """Fit a preprocessor on raw rows without the target and save it."""
    fitted = fit_raw(rows, kinds)
    path = folder / PREPROCESSOR_FILE
    sha256 = save_fitted(fitted, path)
    return Preprocessor(
        uri=context.storage.uri(path),
        sha256=sha256,
        kinds=kinds,
        features=int(fitted.transform(rows.head(1)).shape[1]),
        warnings=warnings,
    )


def fit_raw(rows: pd.DataFrame, kinds: dict[str, Kind]) -> Any:
    """Fit a preprocessor on raw rows without the target."""
    from actions.data_preparation.transformers import build_preprocessor, fit_preprocessor

    return fit_preprocessor(build_preprocessor(kinds), rows)
