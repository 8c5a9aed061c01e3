"""What validate_data finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.operating import Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def table(columns: dict[str, list[Any]]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(str(value) for value in row) for row in rows)]) + "\n"


def failed(desk: Desk, content: str, **arguments: Any) -> Any:
    """Return the only check that failed."""
    found = desk.call("validate_data", data=desk.data("a.csv", content), **arguments)
    assert not found.passed
    (check,) = [check for check in found.checks if check.status == "failed"]
    return check


def warned(desk: Desk, content: str, name: str, **arguments: Any) -> Any:
    found = desk.call("validate_data", data=desk.data("a.csv", content), **arguments)
    assert found.passed
    (check,) = [check for check in found.checks if (check.name, check.status) == (name, "warning")]
    return check


N = 30
NUMBERS = [(row * 7) % 13 for row in range(N)]


def test_good_data_passes(desk: Desk) -> None:
    found = desk.call("validate_data", data="sklearn://iris", target="target")
    assert found.passed
    assert {check.name for check in found.checks if check.status == "warning"} <= {"repeated_rows"}


TARGETS: dict[str, tuple[list[Any], str, str, str]] = {
    "another name": (NUMBERS, "regression", "target_missing", "'y'"),
    "measurements as classes": ([row / 7 for row in range(N)], "classification", "target_wrong_kind", "fractions"),
    "many numbers as classes": (list(range(N)), "classification", "target_wrong_kind", "30 different numbers"),
    "free text as classes": ([f"text {row}" for row in range(N)], "classification", "target_wrong_kind", "texts"),
    "text to regress": (["a", *range(N - 1)], "regression", "target_wrong_kind", "'a' in row 1"),
    "truth values to regress": ([row % 2 == 0 for row in range(N)], "regression", "target_wrong_kind", "truth values"),
    "dates to regress": (["2024-01-02"] * N, "regression", "target_wrong_kind", "dates"),
    "infinity to regress": ([*range(N - 1), "inf"], "regression", "target_wrong_kind", "infinity"),
    "one class": (["a"] * N, "classification", "target_constant", "'a'"),
    "one number": ([4] * N, "regression", "target_constant", "4"),
    "a class of one row": ([*(["a", "b"] * 14), "a", "c"], "classification", "single_row_class", "'c'"),
    "no value": ([""] * N, "classification", "target_empty", "no value"),
    "too few values": ([1, 2, 3] + [""] * (N - 3), "regression", "too_few_rows", "3 rows"),
}


@pytest.mark.parametrize(("values", "task", "reason", "found"), TARGETS.values(), ids=TARGETS)
def test_a_target_that_cannot_be_learnt_is_named(
    desk: Desk, values: list[Any], task: str, reason: str, found: str
) -> None:
    target = "x" if reason == "target_missing" else "y"
    content = table({target: values, "b": NUMBERS})
    check = failed(desk, content, target="y", task=task)
    assert check.name == reason
    assert found in check.found
    assert check.next_step


def test_a_missing_target_lists_the_columns_nearest_first(desk: Desk) -> None:
    check = failed(desk, people(), target="pay", task="classification")
    assert check.next_step.startswith("Choose one of the columns, the most likely first: pays, ")


def test_one_word_among_numbers_is_named_with_its_row(desk: Desk) -> None:
    content = table({"x": ["1", *(["2", "3"] * 14), "n.a"], "y": ["a", "b"] * 15})
    check = failed(desk, content, target="y")
    assert check.name == "mixed_types"
    assert "'x'" in check.found
    assert "'n.a' in row 30" in check.found


def test_codes_that_look_like_numbers_are_categories(desk: Desk) -> None:
    lines = "".join(f'{{"code": "{row % 3:03d}", "y": "{row % 2}"}}\n' for row in range(N))
    found = desk.call("validate_data", data=desk.data("a.jsonl", lines), target="y")
    assert found.passed
    assert found.columns[0].kind == "category"


def test_infinity_in_a_column_is_named(desk: Desk) -> None:
    check = failed(desk, table({"x": [1.5, "inf"] * 15, "y": ["a", "a", "b"] * 10}), target="y")
    assert check.name == "infinite_values"
    assert "'x', first in row 2" in check.found


def test_data_with_nothing_but_a_target_is_refused(desk: Desk) -> None:
    assert failed(desk, table({"y": ["a", "b"] * 15, "x": [""] * N}), target="y").name == "no_features"


WARNINGS: dict[str, tuple[dict[str, list[Any]], str, str]] = {
    "rows without a target": ({"x": NUMBERS, "y": ["a", "b", ""] * 10}, "target_has_missing_values", "10 of 30"),
    "a column with nothing": ({"x": NUMBERS, "z": [""] * N, "y": ["a", "b"] * 15}, "empty_columns", "'z'"),
    "a constant column": ({"x": NUMBERS, "z": [3] * N, "y": ["a", "b"] * 15}, "uninformative_column", "'z'"),
    "an identifier": ({"id": [f"k{row}" for row in range(N)], "y": ["a", "b"] * 15}, "uninformative_column", "'id'"),
    "a leak": ({"x": NUMBERS, "z": ["u", "v"] * 15, "y": ["a", "b"] * 15}, "target_leak", "'z'"),
    "repeats": ({"x": [1] * 28 + [2, 2], "y": ["a"] * 15 + ["b"] * 15}, "repeated_rows", "27 of 30"),
}


@pytest.mark.parametrize(("columns", "name", "found"), WARNINGS.values(), ids=WARNINGS)
def test_what_may_be_wrong_is_a_warning(desk: Desk, columns: dict[str, list[Any]], name: str, found: str) -> None:
    assert found in warned(desk, table(columns), name, target="y").found


def test_a_rare_class_is_a_warning(desk: Desk) -> None:
    content = table({"x": list(range(100)), "y": ["a"] * 98 + ["b"] * 2})
    assert "2.0%" in warned(desk, content, "class_imbalance", target="y").found


def test_a_schema_is_held(desk: Desk) -> None:
    schema = {
        "age": {"kind": "number", "may_be_missing": False, "maximum": 50},
        "city": {"allowed": ["Oslo", "Lima"]},
        "joined": {"kind": "date"},
        "email": {},
        "phone": {"required": False},
    }
    found = desk.call("validate_data", data=desk.data("a.csv", people()), schema=schema)
    by_column = {check.column: check for check in found.checks if check.name in {"schema", "column_missing"}}
    assert not found.passed
    assert "without a value" in by_column["age"].found
    assert "more than 50" in by_column["age"].found
    assert "'Bern'" in by_column["city"].found
    assert by_column["joined"].status == "passed"
    assert by_column["email"].name == "column_missing"
    assert "phone" not in by_column
