"""The operation that writes data to the storage root, with its digest and schema beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Sha256
from actions.data_preparation.columns import Column, describe
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.data_preparation.tables import TableFormat, frame_of, write_frame
from actions.errors import InvalidInput
from actions.operation import Result, operation
from actions.storage.folder import write_atomically
from actions.storage.skops_file import open_fitted

if TYPE_CHECKING:
    import pandas as pd


class ProcessedData(Result):
    """Data under the storage root; ``schema_uri`` names the same as JSON, beside it."""

    uri: str
    sha256: Sha256
    schema_uri: str
    format: TableFormat
    rows: int = Field(ge=0)
    columns: list[Column]


@operation(stage="prepare", where="runner", idempotent=True)
def save_processed_data(
    context: Context,
    data: DataUri,
    destination: StorageUri,
    preprocessor: StorageUri | None = None,
    target: str | None = None,
) -> ProcessedData:
    """Write data to the storage root, as a whole or not at all, with its SHA-256 and schema beside it.

    Parameters
    ----------
    data
        The data, as ``load_dataset`` takes it.
    destination
        The file under the storage root: ``.parquet`` or ``.csv``. Its schema is written to the same name with
        ``.schema.json``.
    preprocessor
        A preprocessor that ``preprocess_supervised`` saved. If given, the data is transformed by it first.
    target
        The column that the preprocessor leaves as it is.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> made = save_processed_data(Context(Storage(Path("storage"))), "sklearn://iris", "flowers/iris.parquet")
    >>> made.rows, made.schema_uri
    (150, 'flowers/iris.parquet.schema.json')
    """
    path = storage_path(destination, context, "destination")
    kind = _format_of(destination)
    frame = frame_of(data, context)
    if preprocessor is not None:
        frame = _transformed(frame, preprocessor, target, context)
    saved = write_frame(frame, path, context, kind)
    schema_path = path.with_name(f"{path.name}.schema.json")
    result = ProcessedData(
        uri=saved.uri,
        sha256=saved.sha256,
        schema_uri=context.storage.uri(schema_path),
        format=kind,
        rows=len(frame),
        columns=[describe(frame[name]) for name in frame.columns],
    )
    write_atomically(schema_path, result.model_dump_json(indent=2) + "\n")
    return result


def _format_of(destination: str) -> TableFormat:
    if destination.endswith(".parquet"):
        return "parquet"
    if destination.endswith(".csv"):
        return "csv"
    raise InvalidInput(
        "unsupported_format",
        rule="Data is written as .parquet or .csv.",
        found=f"{destination}.",
        next_step="Name the file by one of these suffixes.",
        field="destination",
    )


def _transformed(frame: pd.DataFrame, preprocessor: str, target: str | None, context: Context) -> pd.DataFrame:
    import pandas as pd

    fitted: Any = open_fitted(storage_path(preprocessor, context, "preprocessor"), None)
    rows = frame.drop(columns=target) if target is not None and target in frame else frame
    names = [str(name) for name in fitted[1:].get_feature_names_out()]
    features = pd.DataFrame(fitted.transform(rows), columns=names, index=frame.index)
    return features.assign(**{target: frame[target]}) if target is not None and target in frame else features
