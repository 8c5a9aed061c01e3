"""Which files are read as they are meant, packed or not, and how those that cannot be are named."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.api as sm
from vega_datasets import data as vega

from tests.support.operating import REPOSITORY, Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def kinds(found: Any) -> dict[str, tuple[str, int]]:
    return {column.name: (column.kind, column.missing) for column in found.columns}


@pytest.mark.parametrize("name", ["people.csv", "people.tsv", "people.jsonl", "people.ndjson"])
def test_a_gzipped_file_reads_like_the_plain_one(desk: Desk, name: str, tmp_path: Path) -> None:
    frame = pd.read_csv(desk.root / desk.data("plain.csv", people()))
    plain = tmp_path / name
    if name.endswith(("jsonl", "ndjson")):
        frame.to_json(plain, orient="records", lines=True)
    else:
        frame.to_csv(plain, index=False, sep="\t" if name.endswith(".tsv") else ",")
    content = plain.read_bytes()
    one = desk.call("load_dataset", data=desk.data(name, content))
    packed = desk.call("load_dataset", data=desk.data(f"{name}.gz", gzip.compress(content)))
    assert packed.columns == one.columns
    assert (packed.rows, packed.format, packed.preview) == (one.rows, one.format, one.preview)
    assert packed.sha256 != one.sha256


TABLES = {
    "cars": lambda: pd.read_json(vega.cars.filepath),
    "airports": vega.airports,
    "weather": vega.seattle_weather,
    "riots": vega.la_riots,
    "fertility": lambda: sm.datasets.fertility.load_pandas().data,
    "party": lambda: sm.datasets.anes96.load_pandas().data,
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_common_tables_read_as_pandas_reads_them(desk: Desk, table: Callable[[], pd.DataFrame]) -> None:
    uri = desk.data("a.csv", table().to_csv(index=False))
    found = desk.call("load_dataset", data=uri)
    expected = pd.read_csv(desk.root / uri)
    assert found.rows == len(expected)
    for column in found.columns:
        values = expected[column.name]
        assert column.missing == values.isna().sum()
        assert column.distinct == values.nunique()
        if column.kind == "number":
            assert (column.minimum, column.maximum) == pytest.approx((values.min(), values.max()))
        else:
            assert values.isna().all() if column.kind == "ignored" else not pd.api.types.is_numeric_dtype(values)


def test_texts_for_missing_values_are_missing_quoted_or_not(desk: Desk) -> None:
    content = 'a,b,c\n1,NA,""\n,"n/a",x\nnan,Oslo,null\n'
    assert kinds(desk.call("load_dataset", data=desk.data("a.csv", content))) == {
        "a": ("number", 2),
        "b": ("category", 2),
        "c": ("category", 2),
    }


def test_dates_times_and_line_ends_in_quotes_keep_their_meaning(desk: Desk) -> None:
    content = 'day,at,moment,note\r\n2024-02-29,10:30:00,2024-02-29T10:30:00Z,"two\r\nlines, ""so"""\r\n'
    found = desk.call("load_dataset", data=desk.data("a.csv", content))
    assert {name: kind for name, (kind, _) in kinds(found).items()} == {
        "day": "date",
        "at": "category",
        "moment": "date",
        "note": "category",
    }
    assert found.preview[0]["at"] == "10:30:00"
    assert found.preview[0]["note"] == 'two\r\nlines, "so"'


UNREADABLE: dict[str, tuple[str, bytes, str, str]] = {
    "Latin-1 names its column": (
        "a.csv", "name,town\nx,y\nx,Zürich\n".encode("latin-1"), "data_unreadable",
        "byte 0xfc in line 3, column 'town', is not UTF-8; in Windows-1252 it would be 'ü'",
    ),
    "Latin-1 in the header": ("a.csv", "naïve,x\n1,2\n".encode("latin-1"), "data_unreadable", "line 1 is not UTF-8"),
    "Latin-1 beyond the first piece": (
        "a.csv", b"a,b\n" + b"1,2\n" * 400_000 + b"1,\xe9\n", "data_unreadable", "line 400002, column 'b'",
    ),
    "Shift-JIS": ("a.tsv", "名\t値\n一\t1\n".encode("shift-jis"), "data_unreadable", "is not UTF-8"),
    "a cut character": ("a.csv", "a,b\n1,é".encode()[:-1], "data_unreadable", "line 2, column 'b'"),
    "UTF-16 without a mark": ("a.csv", "a,b\n1,2\n".encode("utf-16-le"), "data_unreadable", "UTF-16 without a byte order mark"),
    "UTF-32": ("a.csv", "a,b\n1,2\n".encode("utf-32"), "data_unreadable", "UTF-32"),
    "a packed file under a plain name": ("a.csv", gzip.compress(b"a,b\n1,2\n"), "data_unreadable", ".csv.gz"),
    "a plain file under a packed name": ("a.csv.gz", b"a,b\n1,2\n", "data_unreadable", "Not a gzipped file"),
    "a truncated gzip file": (
        "a.csv.gz", gzip.compress(b"a,b\n" + bytes(range(48, 58)) * 900)[:-12], "data_unreadable", "truncated",
    ),
    "a damaged packed file": (
        "a.jsonl.gz", gzip.compress(b'{"a": 1}\n')[:10] + b"\xff" * 30, "data_unreadable", "damaged",
    ),
    "an Excel workbook": ("a.csv", b"PK\x03\x04rest", "data_unreadable", "Excel"),
    "a zero byte late": ("a.csv", b"a,b\n1,2\n3,\x00\n", "data_unreadable", "line 3 contains a zero byte"),
    "a short row late": ("a.csv", b"a,b\n" + b"1,2\n" * 9 + b"3\n", "data_unreadable", "line 11 has 1 fields"),
    "a quotation mark within": ("a.csv", b'a,b\n1,"2"x\n', "data_unreadable", "line 2"),
    "a packed file of nothing": ("a.jsonl.gz", gzip.compress(b"\n"), "data_empty", ""),
    "duplicates in TSV": ("a.tsv.gz", gzip.compress(b"a\tb\ta\n1\t2\t3\n"), "duplicate_columns", "'a'"),
    "packed Parquet": ("a.parquet.gz", b"", "unsupported_format", ".parquet.gz"),
    "packed without a kind": ("a.gz", b"", "unsupported_format", ".gz"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "reason", "found"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_says_where_and_what(
    desk: Desk, name: str, content: bytes, reason: str, found: str
) -> None:
    refusal = desk.refusal("load_dataset", data=desk.data(name, content))
    assert refusal.problem.reason == reason
    assert found in refusal.problem.found
    assert refusal.problem.next_step
    assert desk.files() == {}


@pytest.mark.parametrize("name", ["wide.csv", "wide.csv.gz"])
def test_a_header_of_a_million_columns_is_refused_at_once(desk: Desk, name: str) -> None:
    columns = ",".join(f"c{number}" for number in range(1_000_000))
    content = f"{columns}\n{'1,' * 999_999}1\n".encode()
    uri = desk.data(name, gzip.compress(content, 1) if name.endswith("gz") else content)
    started = time.process_time()
    refusal = desk.refusal("validate_data", data=uri)
    assert time.process_time() - started < 10
    assert refusal.problem.reason == "too_many_columns"
    assert "1000000" in refusal.problem.found
    assert "'c999999'" in refusal.problem.found
    assert desk.files() == {}


def test_an_endless_line_is_not_read_to_the_end(desk: Desk) -> None:
    refusal = desk.refusal("load_dataset", data=desk.data("a.csv", b"a" * (1 << 24) + b"\n1\n"))
    assert refusal.problem.reason == "data_unreadable"
    assert "header" in refusal.problem.found


@pytest.mark.parametrize("content", ["x,y\n1,a\n", "x,y\n"])
def test_one_row_or_none_ends_in_one_clear_error(desk: Desk, content: str) -> None:
    order = desk.order(data="a.csv", target="y")
    desk.data("a.csv", content)
    from actions.errors import InvalidInput
    from tests.support.stages import run_stage

    with pytest.raises(InvalidInput) as caught:
        run_stage("prepare", order)
    assert caught.value.problem.reason in {"too_few_rows", "data_empty"}
    left = [path.name for path in (desk.root / REPOSITORY / "processed").rglob("*") if path.is_file()]
    assert left == ["progress.json"]


def test_a_word_far_below_numbers_makes_the_column_text_and_is_named(desk: Desk) -> None:
    rows = "".join(f"{row / 7},{row % 2}\n" for row in range(150_000))
    uri = desk.data("a.csv", f"x,y\n{rows}broken,1\n")
    found = desk.call("validate_data", data=uri, target="y", task="classification")
    (check,) = [check for check in found.checks if check.status == "failed"]
    assert (check.name, check.column) == ("mixed_types", "x")
    assert "'broken' in row 150001" in check.found


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv.gz", "a.jsonl.gz"])
def test_a_compressed_file_that_unpacks_too_far_is_refused(
    desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = b'{"a": 1}\n' if "jsonl" in name else b"1\n"
    packed = gzip.compress(b"a\n" * ("jsonl" not in name) + row * 100_000)
    uri = desk.data(name, packed)
    assert desk.call("load_dataset", data=uri).rows == 100_000, "it is small, whatever its ratio"
    monkeypatch.setattr("actions.data_preparation.readers.MIN_UNPACKED_BYTES", 1_000)
    by_ratio = desk.refusal("load_dataset", data=uri).problem
    assert (by_ratio.reason, by_ratio.found) == ("data_unreadable", f"more than {100 * len(packed)} bytes in {uri}.")
    monkeypatch.setattr("actions.data_preparation.readers.MAX_UNPACKED_BYTES", 5_000)
    assert "more than 5000 bytes" in desk.refusal("load_dataset", data=uri).problem.found


@pytest.mark.parametrize("is_dictionary", [False, True], ids=["texts", "categories"])
def test_a_parquet_file_that_unpacks_too_far_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_dictionary: bool
) -> None:
    text = pa.array(["long " * 200]).take(pa.array([0] * 20_000))
    table = pa.table({"a": text.dictionary_encode() if is_dictionary else text})
    pq.write_table(table, tmp_path / "a.parquet")
    packed = (tmp_path / "a.parquet").read_bytes()
    uri = desk.data("a.parquet", packed)
    assert desk.call("load_dataset", data=uri).rows == 20_000, "it is small, whatever its ratio"
    monkeypatch.setattr("actions.data_preparation.readers.MIN_UNPACKED_PARQUET_BYTES", 1_000, raising=False)
    refused = desk.refusal("load_dataset", data=uri).problem
    assert (refused.reason, refused.found) == ("data_unreadable", f"more than {100 * len(packed)} bytes in {uri}.")


_LOADING = """
import sys
from pathlib import Path
from actions.context import Context
from actions.errors import InvalidInput
from actions.operation import find_operation
from actions.storage.folder import Storage
try:
    find_operation("load_dataset").call({"data": sys.argv[2]}, Context(storage=Storage(Path(sys.argv[1]))))
except InvalidInput as error:
    print(error.problem.found)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory of a process is read from /proc")
def test_a_compressed_file_that_unpacks_too_far_takes_little_memory(desk: Desk) -> None:
    packed = gzip.compress(b"a\n" + b"1\n" * (8 << 20)) * 64  # a megabyte that unpacks to a gigabyte
    uri = desk.data("bomb.csv.gz", packed)
    words = [sys.executable, "-c", _LOADING, str(desk.root), uri]
    found, peak = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    assert found == f"more than {100 * len(packed)} bytes in {uri}."
    assert int(peak) < 512 << 10  # kB; it was measured as 77 MB, libraries included
