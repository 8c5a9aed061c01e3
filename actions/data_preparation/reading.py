"""Reads data files and bundled data sets into frames; every way in which that can fail has its own reason."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actions.data_preparation.sources import Source
from actions.operation import InvalidInput

if TYPE_CHECKING:
    import pandas as pd

_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def read_frame(source: Source) -> pd.DataFrame:
    """Read data as a frame with unique, named columns and at least one row.

    Raises
    ------
    InvalidInput
        ``data_unreadable`` (with the line, where it is known), ``data_empty``, ``duplicate_columns``,
        ``unnamed_column``, ``unsupported_column_type``.
    """
    if source.toy is not None:
        return _toy_frame(source.toy)
    if source.path is None:
        raise ValueError("a source is a bundled data set or a file")
    try:
        read = {"csv": _read_csv, "parquet": _read_parquet, "jsonl": _read_json_lines}[source.format]
        frame = read(source.path, source.uri)
    except OSError as error:
        raise unreadable(source.uri, error.strerror or str(error)) from None
    if frame.empty:
        raise _empty(source.uri, "columns but no row" if len(frame.columns) else "nothing")
    return frame


def frame_sha256(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a frame's column names and values, in their order."""
    import pandas as pd

    digest = hashlib.sha256()
    for name, column in frame.items():
        digest.update(json.dumps([str(name), str(column.dtype)]).encode())
        digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def unreadable(uri: str, found: str) -> InvalidInput:
    """Return the error for a file that is not what its suffix says."""
    return InvalidInput(
        "data_unreadable",
        rule="The file has to be readable as its suffix says.",
        found=f"in {uri}: {found.rstrip('.')}.",
        next_step="Correct the file, or export it again.",
        field="data",
    )


def _empty(uri: str, found: str) -> InvalidInput:
    return InvalidInput(
        "data_empty",
        rule="Data has a header (or names its columns) and at least one row.",
        found=f"{found} in {uri}.",
        next_step="Name a file that has rows.",
        field="data",
    )


def _toy_frame(name: str) -> pd.DataFrame:
    import sklearn.datasets

    frame: pd.DataFrame = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
    return frame


def _check_names(names: Iterable[Any], uri: str) -> None:
    counts = Counter(str(name) for name in names)
    twice = [name for name, count in counts.items() if count > 1 and name.strip()]
    if twice:
        raise InvalidInput(
            "duplicate_columns",
            rule="Each column has a name of its own.",
            found=f"{uri} has more than one column {', '.join(repr(name) for name in twice[:10])}.",
            next_step="Rename or remove the repeated columns.",
            field="data",
        )
    if any(not name.strip() for name in counts):
        raise InvalidInput(
            "unnamed_column",
            rule="Each column has a name.",
            found=f"a column without a name in {uri}.",
            next_step="Name it, or write the file without row numbers (pandas: index=False).",
            field="data",
        )


# --- CSV -------------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, uri: str) -> pd.DataFrame:
    import pandas as pd

    encoding = _encoding(path, uri)
    separator = _separator(path, encoding)
    _check_rows(path, uri, encoding, separator)
    try:
        return pd.read_csv(path, sep=separator, encoding=encoding, index_col=False, low_memory=False)
    except pd.errors.EmptyDataError:
        raise _empty(uri, "nothing") from None
    except (pd.errors.ParserError, ValueError) as error:
        raise unreadable(uri, str(error)) from None


def _encoding(path: Path, uri: str) -> str:
    """Return the file's encoding: UTF-8, or UTF-16 where its mark says so."""
    with path.open("rb") as file:
        marked = _BYTE_ORDER_MARKS.get(file.read(2))
        if marked:
            return marked
        file.seek(0)
        for number, line in enumerate(file, start=1):
            if b"\x00" in line:
                raise unreadable(uri, f"line {number} holds a zero byte: this is no text file")
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                wrong = f"byte 0x{line[error.start]:02x} in line {number} is not UTF-8"
                raise unreadable(uri, f"{wrong}; save the file as UTF-8") from None
    return "utf-8-sig"


def _separator(path: Path, encoding: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    with path.open(encoding=encoding, errors="replace") as file:
        header = file.readline()
    return ";" if ";" in header and "," not in header else ","


def _check_rows(path: Path, uri: str, encoding: str, separator: str) -> None:
    """Refuse a CSV whose rows differ in length: pandas would fill short ones silently."""
    with path.open(encoding=encoding, newline="") as file:
        rows = csv.reader(file, delimiter=separator, strict=True)
        try:
            header = next((row for row in rows if row), None)
            if header is None:
                raise _empty(uri, "nothing")
            _check_names(header, uri)
            for row in rows:
                if row and len(row) != len(header):
                    raise unreadable(uri, f"line {rows.line_num} has {len(row)} fields, the header {len(header)}")
        except (csv.Error, UnicodeError) as error:
            raise unreadable(uri, f"line {rows.line_num}: {error}") from None


# --- Parquet and JSON Lines, both through Arrow ----------------------------------------------------------------------


def _read_parquet(path: Path, uri: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.stat().st_size == 0:
        raise _empty(uri, "nothing")
    try:
        with pq.ParquetFile(path) as file:
            _check_names(file.schema_arrow.names, uri)
            table = file.read()
    except pa.ArrowException as error:
        raise unreadable(uri, str(error).splitlines()[0]) from None
    return _from_arrow(table, uri)


def _read_json_lines(path: Path, uri: str) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.json

    _check_json_lines(path, uri)
    if path.stat().st_size == 0:
        raise _empty(uri, "nothing")
    try:
        table = pyarrow.json.read_json(path)
    except pa.ArrowException as error:
        raise unreadable(uri, str(error).splitlines()[0]) from None
    _check_names(table.column_names, uri)
    return _from_arrow(table, uri)


def _check_json_lines(path: Path, uri: str) -> None:
    """Refuse a line that is no JSON object, or that names a key twice; Arrow would not say which line it is."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line, object_pairs_hook=list)
            except (ValueError, RecursionError) as error:
                raise unreadable(uri, f"line {number} is no JSON: {error}") from None
            if not isinstance(value, list) or line.lstrip()[:1] != b"{":
                raise unreadable(uri, f"line {number} is no JSON object")
            _check_names((key for key, _ in value), f"{uri}, line {number},")


def _from_arrow(table: Any, uri: str) -> pd.DataFrame:
    import pyarrow as pa

    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(field.type.value_type))
        elif pa.types.is_decimal(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.float64()))
        elif pa.types.is_date(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.timestamp("ns")))
    for field in table.schema:
        if not _is_plain(field.type):
            raise InvalidInput(
                "unsupported_column_type",
                rule="A column holds numbers, truth values, text or dates.",
                found=f"column {field.name!r} of {uri} holds {field.type}.",
                next_step="Flatten, convert or remove the column.",
                field="data",
            )
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _is_plain(kind: Any) -> bool:
    import pyarrow as pa

    known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_timestamp, pa.types.is_null)
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(kind) for check in (*known, *text))
