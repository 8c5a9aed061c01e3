"""The operation that writes data to the storage root, along with its SHA-256 and schema."""

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
    """Data under the storage root; ``schema_uri`` is a JSON file with this same description."""

    uri: str
    sha256: Sha256
    schema_uri: str
    format: TableFormat
    rows: int = Field(ge=0)
    columns: list[Column]


@operation(
    stage="prepare",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def save_processed_data(
    context: Context,
    data: DataUri,
    destination: StorageUri,
    preprocessor: StorageUri | None = None,
    target: str | None = None,
) -> ProcessedData:
    """Write data to the storage root atomically, with its SHA-256 and schema next to it.

    Parameters
    ----------
    data
        The data, as for ``load_dataset``.
    destination
        The file under the storage root: ``.parquet`` or ``.csv``. The schema is written to the same name plus
        ``.schema.json``.
    preprocessor
        A preprocessor that ``preprocess_supervised`` saved. If given, it transforms the data first.
    target
        The column that the preprocessor leaves unchanged.

    Raises
    ------
    InvalidInput
        ``bucket_not_found``, ``data_empty``, ``data_not_found``, ``data_outside_roots``, ``data_unreadable``,
        ``digest_mismatch``, ``duplicate_columns``, ``infinite_values``, ``missing_columns``, ``model_unreadable``,
        ``object_too_large``, ``outside_storage``, ``too_many_columns``, ``unknown_columns``, ``unknown_dataset``,
        ``unnamed_column``, ``unsupported_column_type``, ``unsupported_format``, ``unsupported_scheme``,
        ``untrusted_types``, ``wrong_type``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.
    NotFound
        ``model_not_found``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> iris = save_processed_data(Context(Storage(Path("storage"))), "sklearn://iris", "flowers/iris.parquet")
    >>> iris.rows, iris.schema_uri
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
        rule="The file to write must be .parquet or .csv.",
        found=f"{destination}.",
        next_step="Use one of these suffixes.",
        field="destination",
    )


def _transformed(frame: pd.DataFrame, preprocessor: str, target: str | None, context: Context) -> pd.DataFrame:
    import pandas as pd

    fitted: Any = open_fitted(storage_path(preprocessor, context, "preprocessor"), None)
    rows = frame.drop(columns=target) if target is not None and target in frame else frame
    names = [str(name) for name in fitted[1:].get_feature_names_out()]
    features = pd.DataFrame(fitted.transform(rows), columns=names, index=frame.index)
    return features.assign(**{target: frame[target]}) if target is not None and target in frame else features
