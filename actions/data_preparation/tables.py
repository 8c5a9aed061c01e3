"""Data frames as files under the storage root: read by URI, written atomically."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Sha256
from actions.data_preparation.readers import read_frame
from actions.data_preparation.sources import DataUri, resolve
from actions.operation import Result
from actions.storage.folder import replacing, sha256_of

if TYPE_CHECKING:
    import pandas as pd

TableFormat = Literal["parquet", "csv"]


class SavedTable(Result):
    """A table that was written under the storage root."""

    uri: str
    sha256: Sha256
    rows: int = Field(ge=0)
    columns: int = Field(ge=0)


def frame_of(data: DataUri, context: Context) -> pd.DataFrame:
    """Read the frame that a data URI names."""
    return read_frame(resolve(data, context))


def write_frame(frame: pd.DataFrame, path: Path, context: Context, kind: TableFormat = "parquet") -> SavedTable:
    """Write a frame to a file, replacing it atomically if it exists."""
    with replacing(path) as temporary:
        if kind == "parquet":
            frame.to_parquet(temporary, index=False)
        else:
            frame.to_csv(temporary, index=False, encoding="utf-8")
    uri, sha256 = context.storage.uri(path), sha256_of(path)
    return SavedTable(uri=uri, sha256=sha256, rows=len(frame), columns=len(frame.columns))
