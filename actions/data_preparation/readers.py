"""Reads data files and bundled data sets into data frames; each way that can fail has its own reason code."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from actions.data_preparation.sources import Source
from actions.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

MAX_COLUMNS = 10_000
"""Every column is described and checked. A wider table is a matrix, or was split at the wrong separator."""
MAX_UNPACKED_BYTES = 16 << 30
MIN_UNPACKED_BYTES = 64 << 20
MAX_RATIO = 100
"""How far a compressed file may unpack: tables rarely reach a ratio of 20, while a megabyte can hold a gigabyte of zeros."""

MIN_UNPACKED_PARQUET_BYTES = 1 << 30
"""Parquet stores a repeated value once, so that an honest table may unpack far; a megabyte can still hold 20 GB of text."""
_BATCH_ROWS = 8_192


def read_frame(source: Source) -> pd.DataFrame:
    """Read data as a frame with unique column names and at least one row.

    Raises
    ------
    InvalidInput
        ``data_unreadable`` (with the line, if it is known), ``data_empty``, ``duplicate_columns``,
        ``unnamed_column``, ``too_many_columns``, ``unsupported_column_type``.
    """
    from actions.data_preparation import delimited

    if source.toy is not None:
        return _toy_frame(source.toy)
    try:
        read = {"csv": delimited.read_csv, "parquet": _read_parquet, "jsonl": _read_json_lines}[source.format]
        frame = from_arrow(read(source), source.uri)
    except EOFError:
        raise unreadable(source.uri, "the compressed file is truncated") from None
    except zlib.error as error:
        raise unreadable(source.uri, f"the compressed file is damaged: {error}") from None
    except OSError as error:
        raise unreadable(source.uri, error.strerror or str(error)) from None
    if frame.empty:
        raise empty(source.uri, "columns but no rows" if len(frame.columns) else "nothing")
    return frame


def frame_sha256(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a frame's column names, types and values, in order."""
    import numpy as np
    import pandas as pd

    digest = hashlib.sha256()
    for name, column in frame.items():
        digest.update(json.dumps([str(name), str(column.dtype)]).encode())
        values = column.to_numpy() if isinstance(column.dtype, np.dtype) else None
        if values is None or values.dtype.kind not in "biufM":
            values = pd.util.hash_pandas_object(column, index=False).to_numpy()
        digest.update(np.ascontiguousarray(values).view(np.uint8).data)
    return digest.hexdigest()


def opened(source: Source) -> IO[bytes]:
    """Open a source's file for reading, decompressing it if necessary."""
    if source.path is None:
        raise ValueError("a bundled data set is not a file")
    if not source.gzipped:
        return source.path.open("rb")
    allowed = _max_unpacked(source.path.stat().st_size, MIN_UNPACKED_BYTES)
    return io.BufferedReader(_Unpacked(source.path, source.uri, allowed), buffer_size=1 << 20)


class _Unpacked(io.RawIOBase):
    """A compressed file's content, which is refused where it is longer than allowed."""

    def __init__(self, path: Path, uri: str, allowed: int) -> None:
        self._file = gzip.GzipFile(path)
        self._uri, self._allowed = uri, allowed

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        read = self._file.readinto(buffer)
        if self._file.tell() > self._allowed:
            next_step = "Decompress the file, look at what it holds, and use it without .gz."
            raise _unpacks_too_far(self._uri, self._allowed, MIN_UNPACKED_BYTES, next_step)
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


def _max_unpacked(size: int, least: int) -> int:
    return min(MAX_UNPACKED_BYTES, max(least, MAX_RATIO * size))


def _unpacks_too_far(uri: str, allowed: int, least: int, next_step: str) -> InvalidInput:
    return InvalidInput(
        "data_unreadable",
        rule=f"A compressed file must unpack to at most {MAX_UNPACKED_BYTES >> 30} GiB, and to at most {MAX_RATIO} times its "
        f"size if that is more than {least >> 20} MiB.",
        found=f"more than {allowed} bytes in {uri}.",
        next_step=next_step,
        field="data",
    )


def unreadable(uri: str, found: str) -> InvalidInput:
    """Return the error for a file whose content does not match its suffix."""
    return InvalidInput(
        "data_unreadable",
        rule="The file must be readable as what its suffix says.",
        found=f"in {uri}: {found.rstrip('.')}.",
        next_step="Correct the file, or export it again.",
        field="data",
    )


def empty(uri: str, found: str) -> InvalidInput:
    """Return the error for data without rows."""
    return InvalidInput(
        "data_empty",
        rule="Data must have a header (or name its columns) and at least one row.",
        found=f"{found} in {uri}.",
        next_step="Choose a file that has rows.",
        field="data",
    )


def check_names(names: Iterable[Any], uri: str) -> None:
    """Refuse column names that are repeated, blank or too many."""
    counts = Counter(str(name) for name in names)
    check_width(counts.total(), uri, next(reversed(counts), ""))
    repeated = [name for name, count in counts.items() if count > 1 and name.strip()]
    if repeated:
        raise InvalidInput(
            "duplicate_columns",
            rule="Column names must be unique.",
            found=f"{uri} has more than one column {', '.join(repr(name) for name in repeated[:10])}.",
            next_step="Rename or remove the repeated columns.",
            field="data",
        )
    if any(not name.strip() for name in counts):
        raise InvalidInput(
            "unnamed_column",
            rule="Each column must have a name.",
            found=f"a column without a name in {uri}.",
            next_step="Name the column, or write the file without row numbers (pandas: index=False).",
            field="data",
        )


def check_width(columns: int, uri: str, last: str) -> None:
    """Refuse a table that is too wide."""
    if columns > MAX_COLUMNS:
        raise InvalidInput(
            "too_many_columns",
            rule=f"A table must have at most {MAX_COLUMNS} columns.",
            found=f"{columns} in {uri}, the last one {last[:100]!r}.",
            next_step="Keep the columns that matter. If rows and columns are swapped, or the file's lines run together, "
            "export it again.",
            field="data",
        )


def _toy_frame(name: str) -> pd.DataFrame:
    import sklearn.datasets

    frame: pd.DataFrame = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
    return frame


# --- Parquet and JSON Lines ------------------------------------------------------------------------------------------


def _read_parquet(source: Source) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, uri = source.path, source.uri
    if path is None or path.stat().st_size == 0:
        raise empty(uri, "nothing")
    try:
        with pq.ParquetFile(path) as file:
            check_names(file.schema_arrow.names, uri)
            return _unpacked_parquet(file, uri, path.stat().st_size)
    except pa.ArrowException as error:
        raise unreadable(uri, str(error).splitlines()[0]) from None


def _unpacked_parquet(file: Any, uri: str, size: int) -> Any:
    """Return the table in a Parquet file, read in parts, because its metadata does not tell how large its values are."""
    import pyarrow as pa

    allowed = _max_unpacked(size, MIN_UNPACKED_PARQUET_BYTES)
    batches, unpacked = [], 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS):
        columns = [
            column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns
        ]
        batches.append(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))
        unpacked += batches[-1].nbytes
        if unpacked > allowed:
            next_step = "Look at what the file holds, and write it with fewer rows or shorter texts."
            raise _unpacks_too_far(uri, allowed, MIN_UNPACKED_PARQUET_BYTES, next_step)
    return pa.Table.from_batches(batches) if batches else file.read()


def _read_json_lines(source: Source) -> Any:
    import pyarrow as pa
    import pyarrow.json

    if not _has_json_lines(source):
        raise empty(source.uri, "nothing")
    try:
        with opened(source) as file:
            table = pyarrow.json.read_json(file)
    except pa.ArrowException as error:
        raise unreadable(source.uri, str(error).splitlines()[0]) from None
    check_names(table.column_names, source.uri)
    return table


def _has_json_lines(source: Source) -> bool:
    """Return whether there is any line; refuse those that are not JSON objects or repeat a key, with their number."""
    uri, has_lines = source.uri, False
    with opened(source) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            has_lines = True
            try:
                value = json.loads(line, object_pairs_hook=list)
            except (ValueError, RecursionError) as error:
                raise unreadable(uri, f"line {number} is not JSON: {error}") from None
            if not isinstance(value, list) or line.lstrip()[:1] != b"{":
                raise unreadable(uri, f"line {number} is not a JSON object")
            check_names((key for key, _ in value), f"{uri}, line {number},")
    return has_lines


# --- from Arrow ------------------------------------------------------------------------------------------------------


def from_arrow(table: Any, uri: str) -> pd.DataFrame:
    """Convert an Arrow table to a frame of numbers, truth values, texts and dates; the table cannot be used afterwards.

    Raises
    ------
    InvalidInput
        ``unsupported_column_type``, with the column.
    """
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        plain = _plain_type(field.type)
        if plain is None:
            raise InvalidInput(
                "unsupported_column_type",
                rule="A column must contain numbers, truth values, text or dates.",
                found=f"column {field.name!r} of {uri} contains {field.type}.",
                next_step="Flatten, convert or remove the column.",
                field="data",
            )
        if plain != field.type:
            try:
                table = table.set_column(index, field.name, table.column(index).cast(plain))
            except pa.ArrowException as error:
                found = f"column {field.name!r}: {str(error).splitlines()[0]}"
                raise unreadable(uri, found) from None
    # Each column is freed as soon as it is copied, so the peak memory is one table rather than two.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, split_blocks=True, self_destruct=True)
    return frame


def _plain_type(kind: Any) -> Any:
    """Return the Arrow type to convert a column to, or None if a model cannot learn from it."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if types.is_decimal(kind):
        return pa.float64()
    if types.is_date(kind):
        return pa.timestamp("s")  # nanoseconds end in 2262, and 9999-12-31 often stands for "never"
    if types.is_time(kind):
        return pa.string()
    known = (types.is_integer, types.is_floating, types.is_boolean, types.is_timestamp, types.is_null)
    text = (types.is_string, types.is_large_string, types.is_string_view)
    return kind if any(check(kind) for check in (*known, *text)) else None
