"""What load_dataset reads, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.support.operating import REPOSITORY, Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [("breast_cancer", 569, 31), ("wine", 178, 14), ("digits", 1797, 65), ("iris", 150, 5), ("diabetes", 442, 11)],
)
def test_the_bundled_data_sets_have_a_target_column(desk: Desk, name: str, rows: int, columns: int) -> None:
    found = desk.call("load_dataset", data=f"sklearn://{name}")
    assert (found.rows, len(found.columns), found.columns[-1].name) == (rows, columns, "target")


def test_the_same_table_reads_the_same_from_each_format(desk: Desk) -> None:
    frame = pd.DataFrame({"age": [20.5, 31, None], "city": ["Oslo", None, "Lima"], "pays": [True, False, True]})
    (desk.root / "some").mkdir()
    frame.to_parquet(desk.root / "some/a.parquet")
    frame.to_csv(desk.root / "some/a.csv", index=False)
    frame.to_csv(desk.root / "some/a.tsv", index=False, sep="\t")
    frame.to_csv(desk.root / "some/b.csv", index=False, sep=";", encoding="utf-8-sig")
    frame.to_csv(desk.root / "some/c.csv", index=False, encoding="utf-16")
    frame.to_json(desk.root / "some/a.jsonl", orient="records", lines=True)
    found = [
        desk.call("load_dataset", data=f"some/{name}")
        for name in sorted(path.name for path in (desk.root / "some").iterdir())
    ]
    assert len(found) == 6
    for one in found:
        kinds = {column.name: (column.kind, column.missing) for column in one.columns}
        assert kinds == {"age": ("number", 1), "city": ("category", 1), "pays": ("number", 0)}
        assert one.preview[1] == {"age": 31.0, "city": None, "pays": False}


def test_columns_are_described(desk: Desk) -> None:
    found = desk.call("load_dataset", data=desk.data("people.csv", people()), preview_rows=2)
    by_name = {column.name: column for column in found.columns}
    assert {name: column.kind for name, column in by_name.items()} == {
        "age": "number",
        "city": "category",
        "joined": "date",
        "pays": "category",
    }
    assert by_name["age"].missing == 7
    assert by_name["age"].minimum is not None
    assert by_name["age"].minimum >= 18
    assert by_name["city"].distinct == 3
    assert len(found.preview) == 2


def test_the_digest_is_the_files_and_the_same_data_has_the_same_one(desk: Desk) -> None:
    first, again = (desk.call("load_dataset", data="sklearn://iris").sha256 for _ in range(2))
    assert first == again
    one = desk.call("load_dataset", data=desk.data("a.csv", "a,b\n1,2\n")).sha256
    other = desk.call("load_dataset", data=desk.data("b.csv", "a,b\n1,3\n")).sha256
    assert one != other


def test_a_path_is_below_the_repositorys_datasets_where_a_repository_is_given(desk: Desk) -> None:
    desk.data("inner/people.csv", people(12))
    assert desk.call("load_dataset", data="inner/people.csv", repository=REPOSITORY).rows == 12
    assert desk.refusal("load_dataset", data="inner/people.csv").problem.reason == "data_not_found"


def test_an_absolute_path_is_read_only_below_a_data_root(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "shared-too").mkdir()
    (tmp_path / "shared-too/a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    desk = Desk(tmp_path / "root", data_roots=(str(shared),))
    assert desk.call("load_dataset", data=str(shared / "a.csv")).rows == 1
    for outside in (tmp_path / "shared-too/a.csv", Path("/etc/passwd"), shared / "../shared-too/a.csv"):
        assert desk.refusal("load_dataset", data=str(outside)).problem.reason == "data_outside_roots"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("sklearn://breast_cancr", "unknown_dataset"),
        ("sklearn://linnerud", "unknown_dataset"),
        ("sklearn://", "unknown_dataset"),
        ("sklearn://../iris", "unknown_dataset"),
        ("file:///etc/passwd", "unsupported_scheme"),
        ("FILE:/etc/passwd", "unsupported_scheme"),
        ("http://169.254.169.254/latest/meta-data", "unsupported_scheme"),
        ("https://example.org/a.csv", "unsupported_scheme"),
        ("s3://bucket/a.csv", "data_outside_roots"),
        ("../secret.csv", "data_outside_roots"),
        ("a/../../secret.csv", "data_outside_roots"),
        ("..\\secret.csv", "data_outside_roots"),
        ("/etc/passwd", "data_outside_roots"),
        ("a\x00.csv", "data_outside_roots"),
        ("nothing.csv", "data_not_found"),
        (".", "data_not_found"),
        ("a" * 900, "data_outside_roots"),
        ("notes.txt", "unsupported_format"),
        ("bare", "unsupported_format"),
    ],
)
def test_what_is_not_data_is_refused_with_its_own_reason(desk: Desk, uri: str, reason: str) -> None:
    desk.data("notes.txt", "hello")
    desk.data("bare", "a,b\n1,2\n")
    (desk.root / REPOSITORY / "secret.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    refusal = desk.refusal("load_dataset", data=uri, repository=REPOSITORY)
    assert refusal.problem.reason == reason
    assert refusal.problem.next_step


def test_links_cannot_lead_outside(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    datasets = desk.root / REPOSITORY / "datasets"
    datasets.mkdir(parents=True)
    (datasets / "file.csv").symlink_to(outside / "a.csv")
    (datasets / "folder").symlink_to(outside)
    (datasets / "loop.csv").symlink_to(datasets / "loop.csv")
    for uri in ("file.csv", "folder/a.csv", "loop.csv"):
        refusal = desk.refusal("load_dataset", data=uri, repository=REPOSITORY)
        assert refusal.problem.reason in {"data_outside_roots", "data_not_found"}


def test_the_nearest_names_are_suggested(desk: Desk) -> None:
    assert "breast_cancer, " in desk.refusal("load_dataset", data="sklearn://breast_cancr").problem.next_step
    desk.data("people.csv", people())
    assert "people.csv" in desk.refusal("load_dataset", data="poeple.csv", repository=REPOSITORY).problem.found


UNREADABLE = {
    "latin-1": ("a.csv", "name,x\nJosé,1\n".encode("latin-1"), "data_unreadable", "line 2"),
    "binary": ("a.csv", b"\x7fELF\x00\x00\x01", "data_unreadable", "line 1"),
    "short row": ("a.csv", "a,b\n1,2\n3\n", "data_unreadable", "line 3"),
    "long row": ("a.csv", "a,b\n1,2\n3,4,5\n", "data_unreadable", "line 3"),
    "open quote": ("a.csv", 'a,b\n1,"2\n', "data_unreadable", "line 2"),
    "half a character of UTF-16": ("a.csv", b"\xff\xfea\x00,\x00b", "data_unreadable", ""),
    "no bytes": ("a.csv", "", "data_empty", ""),
    "blank lines": ("a.csv", "\n\n", "data_empty", ""),
    "a header alone": ("a.csv", "a,b\n", "data_empty", "no row"),
    "the same column twice": ("a.csv", "a,b,a\n1,2,3\n", "duplicate_columns", "'a'"),
    "row numbers without a name": ("a.csv", ",a\n0,1\n", "unnamed_column", ""),
    "no Parquet": ("a.parquet", "a,b\n1,2\n", "data_unreadable", ""),
    "an empty Parquet": ("a.parquet", "", "data_empty", ""),
    "broken JSON": ("a.jsonl", '{"a": 1}\n{"a": \n', "data_unreadable", "line 2"),
    "a list in JSON Lines": ("a.jsonl", "[1, 2]\n", "data_unreadable", "line 1"),
    "deep JSON": ("a.jsonl", "[" * 200_000, "data_unreadable", "line 1"),
    "a key twice": ("a.jsonl", '{"a": 1, "a": 2}\n', "duplicate_columns", "line 1"),
    "nested JSON": ("a.jsonl", '{"a": {"b": 1}}\n', "unsupported_column_type", "'a'"),
    "types that change": ("a.jsonl", '{"a": 1}\n{"a": "x"}\n', "data_unreadable", "a"),
    "an empty JSON Lines": ("a.jsonl", "", "data_empty", ""),
}


@pytest.mark.parametrize(("name", "content", "reason", "found"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_file_is_reported_with_the_position(
    desk: Desk, name: str, content: str | bytes, reason: str, found: str
) -> None:
    refusal = desk.refusal("load_dataset", data=desk.data(name, content))
    assert refusal.problem.reason == reason
    assert found in refusal.problem.found
    assert desk.files() == {}
