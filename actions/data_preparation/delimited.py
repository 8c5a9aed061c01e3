"""Reads CSV and TSV with Arrow, and refuses, with line and column, what Arrow would silently misread."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from actions.data_preparation.readers import check_names, check_width, empty, opened, unreadable
from actions.data_preparation.sources import Source
from actions.errors import InvalidInput

MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""The texts that mean a missing value: the same as in pandas."""

_BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_FOREIGN = {
    b"\x1f\x8b": "it is compressed with gzip; name it .csv.gz or .tsv.gz",
    b"PK\x03\x04": "it is a ZIP archive or an Excel workbook; export the sheet as CSV",
    b"PAR1": "it is a Parquet file; name it .parquet",
    b"\xd0\xcf\x11\xe0": "it is an old Excel workbook; export the sheet as CSV",
    codecs.BOM_UTF32_LE: "it is encoded as UTF-32; save the file as UTF-8",
    codecs.BOM_UTF32_BE: "it is encoded as UTF-32; save the file as UTF-8",
}
_CHUNK = 1 << 20
_BLOCKS = (1 << 20, 1 << 26)
"""How many bytes to parse at a time: few, so that memory is reused; more only if a row is longer than that."""
_MAX_HEADER = 1 << 24


@dataclass(frozen=True)
class _Dialect:
    encoding: str
    separator: str
    has_quotes: bool = True
    quotes_in_place: bool = False


def read_csv(source: Source) -> Any:
    """Read a CSV or TSV file as an Arrow table.

    Fields are separated by commas; by semicolons if the header contains semicolons and no comma; by tabs in ``.tsv``
    files. Text must be UTF-8, or UTF-16 with a byte order mark. Numbers, truth values, and ISO 8601 dates and times are
    recognised.

    Raises
    ------
    InvalidInput
        ``data_unreadable`` (with the line), ``data_empty``, ``duplicate_columns``, ``unnamed_column``,
        ``too_many_columns``.
    """
    import pyarrow as pa

    dialect = _checked_text(source)
    names, lines = _header(source, dialect)
    if dialect.has_quotes and not dialect.quotes_in_place:
        # Arrow reads an open or misplaced quotation mark as text.
        _check_rows(source, dialect)
    try:
        try:
            return _read(source, dialect, names, lines, _BLOCKS[0])
        except pa.ArrowInvalid as error:
            if "straddl" not in str(error):
                raise
            return _read(source, dialect, names, lines, _BLOCKS[1])
    except pa.ArrowException as error:
        _check_rows(source, dialect)
        raise unreadable(source.uri, str(error).splitlines()[0]) from None
    except UnicodeError as error:
        raise unreadable(source.uri, str(error)) from None


def _read(source: Source, dialect: _Dialect, names: list[str], lines: int, block: int) -> Any:
    """Read all rows, with the types that the first rows suggest: Arrow then tries fewer types on each value."""
    import pyarrow as pa
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv, read_csv

    encoding = "utf8" if dialect.encoding.startswith("utf-8") else dialect.encoding
    parse = ParseOptions(delimiter=dialect.separator, newlines_in_values=dialect.has_quotes)
    convert = ConvertOptions(
        null_values=MISSING,
        strings_can_be_null=True,
        true_values=["true", "True", "TRUE"],
        false_values=["false", "False", "FALSE"],
    )
    options = ReadOptions(encoding=encoding, column_names=names, skip_rows=lines, block_size=block)
    with opened(source) as file, open_csv(file, options, parse, convert) as first:
        seen = {field.name: field.type for field in first.schema}
    # Text stays text whatever follows. Integers and dates may turn out to be something else and are left to Arrow.
    convert.column_types = {name: kind for name, kind in seen.items() if kind in {pa.float64(), pa.string()}}
    try:
        with opened(source) as file:
            return read_csv(file, options, parse, convert)
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
    # There was text among numbers, further down. Now infer each column's type from all of its rows.
    convert.column_types = {}
    with opened(source) as file:
        return read_csv(file, options, parse, convert)


# --- the text --------------------------------------------------------------------------------------------------------


def _checked_text(source: Source) -> _Dialect:
    """Return how the file is written; refuse binary files and encodings other than UTF-8 and marked UTF-16."""
    with opened(source) as file:
        chunk = start = file.read(_CHUNK)
        for mark, found in _FOREIGN.items():
            if start.startswith(mark):
                raise unreadable(source.uri, found)
        if encoding := _BYTE_ORDER_MARKS.get(start[:2]):
            return _Dialect(encoding, _separator(source, encoding))
        separator = _separator(source, "utf-8-sig")
        decoder, quotes = codecs.getincrementaldecoder("utf-8")(), _Quotes(separator)
        try:
            while chunk:
                if b"\x00" in chunk:
                    raise _zero_byte(source, start)
                decoder.decode(chunk)
                quotes.take(chunk)
                chunk = file.read(_CHUNK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise _not_utf8(source) from None
    in_place = quotes.are_in_place()
    in_rows = quotes.count > start.partition(b"\n")[0].count(b'"')
    return _Dialect("utf-8-sig", separator, has_quotes=in_rows or not in_place, quotes_in_place=in_place)


class _Quotes:
    """Checks, chunk by chunk, that each quotation mark opens or closes a whole field, or is doubled inside one.

    If so, the file need not be parsed again with Python's ``csv``, which takes several times as long as reading it.
    """

    def __init__(self, separator: str) -> None:
        self.count = 0
        self._neighbours = [ord(separator), *b'\r\n"']
        self._in_place = True
        self._kept = b"\n"

    def take(self, chunk: bytes) -> None:
        import numpy as np

        piece = self._kept + chunk
        # The last byte's neighbour is in the next chunk.
        self._kept = piece[-2:]
        if b'"' not in piece:
            return
        codes = np.frombuffer(piece, dtype=np.uint8)
        places = np.flatnonzero(codes[1:-1] == ord('"')) + 1
        opening, closing = (places[(self.count + odd) % 2 :: 2] for odd in (0, 1))
        beside = np.concatenate([codes[opening - 1], codes[closing + 1]])
        self._in_place = self._in_place and bool(np.isin(beside, self._neighbours).all())
        self.count += len(places)

    def are_in_place(self) -> bool:
        self.take(b"\n")
        return self._in_place and self.count % 2 == 0


def _zero_byte(source: Source, start: bytes) -> InvalidInput:
    if start[1::2].count(0) > len(start) // 4 or start[::2].count(0) > len(start) // 4:
        return unreadable(source.uri, "line 1 is UTF-16 without a byte order mark; save the file as UTF-8")
    with opened(source) as file:
        number = next(number for number, line in enumerate(file, start=1) if b"\x00" in line)
    return unreadable(source.uri, f"line {number} contains a zero byte, so this is not a text file")


def _not_utf8(source: Source) -> InvalidInput:
    """Return an error that locates the first byte that is not UTF-8 and shows what it would be in Windows-1252."""
    with opened(source) as file:
        header = file.readline(_MAX_HEADER)
        file.seek(0)
        number, line, error = next(_undecodable(file))
    before, byte = line[: error.start], line[error.start]
    found = f"byte 0x{byte:02x} in line {number}"
    separator = "\t" if _is_tsv(source) else _likely_separator(header.decode("utf-8", errors="replace"))
    names = header.decode("utf-8-sig", errors="replace").strip().split(separator)
    position = before.decode("utf-8").count(separator)
    if number > 1 and b'"' not in before and position < len(names):
        found += f", column {names[position][:100]!r},"
    likely = bytes([byte]).decode("cp1252", errors="ignore")
    as_western = f"; in Windows-1252 it would be {likely!r}" if likely.isprintable() and likely else ""
    return unreadable(source.uri, f"{found} is not UTF-8{as_western}; save the file as UTF-8")


def _undecodable(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes, UnicodeDecodeError]]:
    for number, line in enumerate(lines, start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield number, line, error


def _is_tsv(source: Source) -> bool:
    name = source.path.name.lower() if source.path else ""
    return Path(name.removesuffix(".gz")).suffix == ".tsv"


def _separator(source: Source, encoding: str) -> str:
    if _is_tsv(source):
        return "\t"
    with opened(source) as file, io.TextIOWrapper(file, encoding=encoding, errors="replace") as text:
        return _likely_separator(text.readline(_MAX_HEADER))


def _likely_separator(header: str) -> str:
    return ";" if ";" in header and "," not in header else ","


# --- the rows --------------------------------------------------------------------------------------------------------


def _header(source: Source, dialect: _Dialect) -> tuple[list[str], int]:
    """Return the column names, and the number of lines up to and including the header."""
    with opened(source) as file, _text(file, dialect) as text:
        rows = csv.reader(_header_lines(text, source), delimiter=dialect.separator, strict=True)
        try:
            header = next((row for row in rows if row), None)
        except (csv.Error, UnicodeError) as error:
            raise unreadable(source.uri, f"line {rows.line_num}: {error}") from None
    if header is None:
        raise empty(source.uri, "nothing")
    check_names(header, source.uri)
    return header, rows.line_num


def _header_lines(text: IO[str], source: Source) -> Iterator[str]:
    while line := text.readline(_MAX_HEADER):
        if len(line) == _MAX_HEADER:
            check_width(line.count(","), source.uri, "")
            raise unreadable(source.uri, f"a line of more than {_MAX_HEADER} characters where the header should be")
        yield line


def _check_rows(source: Source, dialect: _Dialect) -> None:
    """Refuse rows of different lengths and unclosed quotation marks, with their line."""
    with opened(source) as file, _text(file, dialect) as text:
        rows = csv.reader(text, delimiter=dialect.separator, strict=True)
        try:
            header = next((row for row in rows if row), [])
            for row in rows:
                if row and len(row) != len(header):
                    found = f"line {rows.line_num} has {len(row)} fields, the header {len(header)}"
                    raise unreadable(source.uri, found)
        except (csv.Error, UnicodeError) as error:
            raise unreadable(source.uri, f"line {rows.line_num}: {error}") from None


def _text(file: IO[bytes], dialect: _Dialect) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, encoding=dialect.encoding, newline="")
