"""The operation that fits a preprocessor on training rows, so that training and serving use the same."""

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
    kinds: dict[str, Kind] = Field(description="what each raw column is treated as")
    features: int = Field(ge=0, description="numbers a row that come out")
    warnings: list[str] = Field(default_factory=list)


@operation(stage="prepare", where="runner", idempotent=True)
def preprocess_supervised(context: Context, data: DataUri, target: str, destination: StorageUri) -> Preprocessor:
    """Fit a preprocessor on training rows and save it: impute, scale, one-hot, dates.

    Numbers: the median where missing, then scaled. Categories: one-hot, unseen ones are ignored. Dates: year, month, day,
    weekday, hour, days since 1970. Give the training part alone, so that nothing is learnt from test rows.

    Parameters
    ----------
    data
        The training rows, with their raw columns.
    target
        The column to predict; it is left out.
    destination
        The folder under the storage root to write ``preprocessor.skops`` to.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> made = preprocess_supervised(Context(Storage(Path("storage"))), "sklearn://iris", "target", "flowers")
    >>> made.uri, made.features
    ('flowers/preprocessor.skops', 4)
    """
    folder = storage_path(destination, context, "destination")
    frame = frame_of(data, context)
    columns = [describe(frame[name]) for name in frame.columns]
    warnings = require(feature_checks(frame, columns, target))
    return save_preprocessor(frame.drop(columns=target), kinds_of(columns, target), folder, context, warnings)


@operation(stage="prepare", where="runner", idempotent=True)
def preprocess_unsupervised(
    context: Context, data: DataUri, destination: StorageUri, leave_out: list[str] | None = None
) -> Preprocessor:
    """Fit a preprocessor on rows without a target and save it: impute, scale, one-hot, dates.

    Does to each column what ``preprocess_supervised`` does.

    Parameters
    ----------
    data
        The rows, with their raw columns.
    destination
        The folder under the storage root to write ``preprocessor.skops`` to.
    leave_out
        Columns that are no features, such as an identifier, or labels to compare clusters with. Rows may have them or not.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path("storage")))
    >>> made = preprocess_unsupervised(context, "sklearn://iris", "flowers", leave_out=["target"])
    >>> made.features, made.kinds["target"]
    (4, 'ignored')
    """
    folder = storage_path(destination, context, "destination")
    frame = frame_of(data, context)
    names = [str(name) for name in frame.columns]
    unknown = [name for name in leave_out or () if name not in names]
    if unknown:
        raise InvalidInput(
            "unknown_column",
            rule="leave_out names columns of the data.",
            found=f"no column {unknown[0]!r}.",
            next_step=f"The data's columns, the most likely first: {nearest_first(unknown[0], names)}.",
            field="leave_out",
        )
    used = frame.drop(columns=leave_out or [])
    columns = [describe(used[name]) for name in used.columns]
    warnings = require(feature_checks(used, columns, None))
    known: dict[str, Kind] = {column.name: column.kind for column in columns}
    kinds: dict[str, Kind] = {name: known.get(name, "ignored") for name in names}
    return save_preprocessor(frame, kinds, folder, context, warnings)


def kinds_of(columns: list[Column], target: str) -> dict[str, Kind]:
    """Return what each column but the target is treated as."""
    return {column.name: column.kind for column in columns if column.name != target}


def save_preprocessor(
    rows: pd.DataFrame, kinds: dict[str, Kind], folder: Path, context: Context, warnings: list[str]
) -> Preprocessor:
    """Fit a preprocessor on raw rows without the target and save it."""
    fitted = fitted_preprocessor(rows, kinds)
    path = folder / PREPROCESSOR_FILE
    sha256 = save_fitted(fitted, path)
    return Preprocessor(
        uri=context.storage.uri(path),
        sha256=sha256,
        kinds=kinds,
        features=int(fitted.transform(rows.head(1)).shape[1]),
        warnings=warnings,
    )


def fitted_preprocessor(rows: pd.DataFrame, kinds: dict[str, Kind]) -> Any:
    """Fit a preprocessor on raw rows without the target."""
    from actions.data_preparation.transformers import build_preprocessor, fit_preprocessor

    return fit_preprocessor(build_preprocessor(kinds), rows)
