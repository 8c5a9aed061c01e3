"""Bad data ends prepare with one error that names the column or parameter, and leaves nothing but the error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actions.errors import InvalidInput
from tests.support.operating import REPOSITORY, Desk
from tests.support.stages import run_stage

ROWS = range(40)
GOOD: dict[str, list[Any]] = {"x": [row * 7 % 13 for row in ROWS], "y": ["a", "b", "b", "a"] * 10}

BAD: dict[str, tuple[dict[str, list[Any]], dict[str, Any], str, str | None, str]] = {
    "a constant target": ({"y": ["a"] * 40}, {}, "target_constant", "target", "'y' is 'a'"),
    "a class of one row": ({"y": ["c", *GOOD["y"][1:]]}, {}, "single_row_class", "target", "'c'"),
    "a column without a value": ({"z": [""] * 40}, {}, "empty_column", "z", "'z'"),
    "text among numbers": ({"z": [*range(39), "many"]}, {}, "mixed_types", "z", "'many' in row 40"),
    "infinity": ({"z": [0.5] * 39 + ["inf"]}, {}, "infinite_values", "z", "first in row 40"),
    "a target without a value": ({"y": [""] * 40}, {}, "target_empty", "target", "'y'"),
    "text to regress": (
        {}, {"task": "regression", "algorithm": "linear_regression", "metric": "r2"}, "target_wrong_kind", "target", "'a'"
    ),
    "nine rows": ({name: values[:9] for name, values in GOOD.items()}, {}, "too_few_rows", "data", "9 rows"),
    "one row": ({name: values[:1] for name, values in GOOD.items()}, {}, "too_few_rows", "data", "1 row."),
    "no row": ({name: [] for name in GOOD}, {}, "data_empty", "data", "no row"),
    "no such target": ({}, {"target": "z"}, "target_missing", "target", "'z'"),
    "an unknown hyperparameter": (
        {}, {"hyperparameters": {"max_itre": 5}}, "unknown_hyperparameter", "hyperparameters", "max_itre"
    ),
}  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    return Desk(tmp_path)


def table(columns: dict[str, list[Any]]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(str(value) for value in row) for row in rows)]) + "\n"


def refused(desk: Desk, **request: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        run_stage("prepare", desk.order(**{"data": "a.csv", "target": "y"} | request))
    left = [path.name for path in (desk.root / REPOSITORY / "processed").rglob("*") if path.is_file()]
    assert left == ["progress.json"]
    return caught.value


@pytest.mark.parametrize(("columns", "request_", "reason", "field", "found"), BAD.values(), ids=BAD)
def test_bad_data_is_named(
    desk: Desk, columns: dict[str, list[Any]], request_: dict[str, Any], reason: str, field: str | None, found: str
) -> None:
    desk.data("a.csv", table(GOOD | columns))
    problem = refused(desk, **request_).problem
    assert (problem.reason, problem.field) == (reason, field)
    assert found in problem.found
    assert problem.next_step


@pytest.mark.parametrize(
    ("content", "reason", "found"),
    [
        (b"x,y,x\n1,a,2\n", "duplicate_columns", "'x'"),
        ("x,größe\n".encode("cp1252"), "data_unreadable", "not UTF-8"),
        (f"{','.join(f'c{number}' for number in range(1_000_000))}\n".encode(), "too_many_columns", "1000000"),
    ],
    ids=["a name twice", "another encoding", "a million columns"],
)
def test_a_bad_header_is_named(desk: Desk, content: bytes, reason: str, found: str) -> None:
    desk.data("a.csv", content)
    problem = refused(desk).problem
    assert problem.reason == reason
    assert found in problem.found


def test_messy_but_usable_data_goes_through(desk: Desk) -> None:
    columns = GOOD | {
        "gap": [row if row % 3 else "" for row in ROWS],
        "when": ["9999-12-31" if row % 5 == 0 else f"20{row % 30:02d}-02-01" for row in ROWS],
        "town": [f"town {row % 37}" if row % 4 else "" for row in ROWS],
    }
    desk.data("a.csv", table(columns))
    result = run_stage("prepare", desk.order(data="a.csv", target="y")).record.result
    kinds = {"x": "number", "gap": "number", "when": "date", "town": "category"}
    assert result["preprocessor"]["kinds"] == kinds
