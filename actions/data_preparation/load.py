"""The operation that describes a data set: rows, columns, types and missing values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Repository, Sha256
from actions.contracts.scalar import Scalar
from actions.data_preparation.columns import Column, describe
from actions.data_preparation.readers import frame_sha256, read_frame
from actions.data_preparation.sources import DataUri, Source, resolve
from actions.operation import Result, operation
from actions.storage.folder import sha256_of

if TYPE_CHECKING:
    import pandas as pd


class Dataset(Result):
    """The content of a data set."""

    uri: str
    format: str
    sha256: Sha256
    rows: int = Field(ge=0)
    columns: list[Column]
    preview: list[dict[str, Scalar]] = Field(description="the first rows")


@operation(stage="prepare", where="runner", read_only=True, open_to_agents="It only reads.")
def load_dataset(
    context: Context,
    data: DataUri,
    repository: Repository | None = None,
    preview_rows: Annotated[int, Field(ge=0, le=100)] = 5,
) -> Dataset:
    """Read a data set and describe its rows and columns.

    Reads CSV, TSV and JSON Lines (each may be compressed with gzip), Parquet, and the data sets that ship with
    scikit-learn.

    Parameters
    ----------
    data
        ``sklearn://NAME`` (breast_cancer, diabetes, digits, iris, wine), a path, an absolute path below an allowed data
        root, or an ``s3://`` URI below one.
    repository
        OWNER/NAME. Relative paths are resolved in this repository's ``datasets/`` folder, or by default in the storage
        root.
    preview_rows
        The number of rows to show, from the first.

    Raises
    ------
    InvalidInput
        ``bucket_not_found``: the S3 bucket does not exist. ``data_empty``: the data has no rows.
        ``data_not_found``: the file does not exist. ``data_outside_roots``: the file is outside all allowed
        folders. ``data_unreadable``: the file is not what its suffix says. ``duplicate_columns``: two columns have
        the same name. ``too_many_columns``: the table is too wide. ``unknown_dataset``: scikit-learn ships no such
        data set. ``unnamed_column``: a column has no name. ``unsupported_column_type``: a column contains lists,
        objects or binary data. ``unsupported_format``: the file's suffix is not supported. ``unsupported_scheme``:
        the URI's scheme is not supported.
    Conflict
        ``changed_meanwhile``: another process changed the S3 object.
    NotAllowed
        ``s3_access_denied``: the runner has no permission.
    Unavailable
        ``library_missing``: an optional library is not installed. ``s3_unavailable``: S3 cannot be reached, or
        there are no credentials.
    OperationError
        ``s3_refused``: S3 rejected the request.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> wine = load_dataset(Context(Storage(Path("storage"))), "sklearn://wine")
    >>> wine.rows, len(wine.columns)
    (178, 14)
    >>> wine.columns[0].name, wine.columns[0].kind, wine.columns[0].missing
    ('alcohol', 'number', 0)
    """
    source = resolve(data, context, repository)
    return dataset_of(source, read_frame(source), preview_rows)


def dataset_of(source: Source, frame: pd.DataFrame, preview_rows: int = 0) -> Dataset:
    """Describe a frame that was read from a source."""
    return Dataset(
        uri=source.uri,
        format=source.format,
        sha256=sha256_of(source.path) if source.path is not None else frame_sha256(frame),
        rows=len(frame),
        columns=[describe(frame[name]) for name in frame.columns],
        preview=[_plain(row) for row in frame.head(preview_rows).to_dict(orient="records")],
    )


def _plain(row: dict[Any, Any]) -> dict[str, Scalar]:
    """Return a row as JSON values; missing and infinite values become None."""
    return {str(name): _scalar(value) for name, value in row.items()}


def _scalar(value: Any) -> Scalar:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return None if value != value else str(value)[:200]  # noqa: PLR0124  # only NaT differs from itself here
