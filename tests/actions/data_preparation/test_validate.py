"""What validate_data finds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris

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
def test_a_target_that_cannot_be_learned_is_reported(
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
    assert check.next_step.startswith("Choose a column, most similar first: pays, ")


def test_one_word_among_numbers_is_reported_with_its_row(desk: Desk) -> None:
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


def test_infinity_in_a_column_is_reported(desk: Desk) -> None:
    check = failed(desk, table({"x": [1.5, "inf"] * 15, "y": ["a", "a", "b"] * 10}), target="y")
    assert check.name == "infinite_values"
    assert "'x', first in row 2" in check.found


def test_data_with_nothing_but_a_target_is_refused(desk: Desk) -> None:
    assert failed(desk, table({"y": ["a", "b"] * 15, "x": [""] * N}), target="y").name == "no_features"


def test_an_empty_column_is_reported(desk: Desk) -> None:
    check = failed(desk, table({"x": NUMBERS, "z": [""] * N, "y": ["a", "b"] * 15}), target="y")
    assert (check.name, check.column) == ("empty_column", "z")
    assert "'z'" in check.found


WARNINGS: dict[str, tuple[dict[str, list[Any]], str, str]] = {
    "rows without a target": ({"x": NUMBERS, "y": ["a", "b", ""] * 10}, "target_has_missing_values", "10 of 30"),
    "a constant column": ({"x": NUMBERS, "z": [3] * N, "y": ["a", "b"] * 15}, "uninformative_column", "'z'"),
    "an identifier": ({"id": [f"k{row}" for row in range(N)], "y": ["a", "b"] * 15}, "uninformative_column", "'id'"),
    "a leak": ({"x": NUMBERS, "z": ["u", "v"] * 15, "y": ["a", "b"] * 15}, "target_leak", "'z'"),
    "repeats": ({"x": [1] * 28 + [2, 2], "y": ["a"] * 15 + ["b"] * 15}, "repeated_rows", "27 of 30"),
}


@pytest.mark.parametrize(("columns", "name", "found"), WARNINGS.values(), ids=WARNINGS)
def test_suspicious_data_is_a_warning(desk: Desk, columns: dict[str, list[Any]], name: str, found: str) -> None:
    assert found in warned(desk, table(columns), name, target="y").found


def test_a_rare_class_is_a_warning(desk: Desk) -> None:
    content = table({"x": list(range(100)), "y": ["a"] * 98 + ["b"] * 2})
    assert "2.0%" in warned(desk, content, "class_imbalance", target="y").found


def test_data_is_checked_against_a_schema(desk: Desk) -> None:
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


def columns_of(found: Any, name: str = "schema") -> dict[str | None, Any]:
    return {check.column: check for check in found.checks if check.name == name}


def test_rows_that_violate_a_schema_are_counted_and_listed(desk: Desk) -> None:
    content = table({"age": [*range(20, 48), "", 130], "id": [*range(29), 3], "town": ["Oslo"] * 29 + ["Atlantis"]})
    schema = {
        "age": {"kind": "number", "minimum": 21, "maximum": 120, "may_be_missing": False},
        "id": {"unique": True},
        "town": {"kind": "category", "allowed": ["Oslo", "Lima"]},
    }
    found = columns_of(desk.call("validate_data", data=desk.data("a.csv", content), schema=schema))
    assert {name: (check.rows, check.count) for name, check in found.items()} == {
        "age": ([1, 29, 30], 3),
        "id": ([4, 30], 2),
        "town": ([30], 1),
    }
    assert "less than 21, down to 20 (1 row)" in found["age"].found
    assert "more than 120, up to 130 (1 row)" in found["age"].found
    assert "without a value (1 row)" in found["age"].found
    assert "'Atlantis', which is not allowed" in found["town"].found


@pytest.mark.parametrize("name", ["rules.yaml", "rules.json"])
def test_a_schema_can_be_read_from_a_file(desk: Desk, name: str) -> None:
    written = {
        "rules.yaml": "age:\n  kind: number\n  maximum: 50\ncode:\n  allowed: [1, 2]\n",
        "rules.json": '{"age": {"kind": "number", "maximum": 50}, "code": {"allowed": [1, 2]}}',
    }
    content = table({"age": [*range(30, 59), 60], "code": [1, 2] * 14 + [2, 3]})
    uri = desk.data(name, written[name])
    found = columns_of(desk.call("validate_data", data=desk.data("a.csv", content), schema=uri))
    assert (found["age"].count, found["age"].rows[0]) == (9, 22)
    assert found["code"].rows == [30]


BAD_SCHEMAS = {
    "an unknown word": ("a.yaml", "x:\n  maximun: 3\n", "unknown_argument", "maximum"),
    "bounds the wrong way": ("a.yaml", "x: {minimum: 3, maximum: 2}\n", "invalid_argument", ""),
    "bounds of a category": ("a.json", '{"x": {"kind": "category", "minimum": 3}}', "invalid_argument", ""),
    "text among numbers": ("a.yaml", "x: {allowed: [few]}\n", "schema_contradiction", ""),
    "no YAML": ("a.yaml", "x: [\n", "invalid_yaml", ""),
    "no JSON": ("a.json", "{", "invalid_json", ""),
    "another format": ("a.toml", "", "unsupported_format", "maximum"),
    "a list": ("a.yaml", "- x\n", "invalid_argument", ""),
}


@pytest.mark.parametrize(("name", "content", "reason", "next_step"), BAD_SCHEMAS.values(), ids=BAD_SCHEMAS)
def test_a_contradictory_schema_is_refused(desk: Desk, name: str, content: str, reason: str, next_step: str) -> None:
    data = desk.data("a.csv", table({"x": NUMBERS}))
    refusal = desk.refusal("validate_data", data=data, schema=desk.data(name, content))
    assert refusal.problem.reason == reason
    assert next_step in refusal.problem.next_step


def test_a_schema_is_read_only_from_where_data_may_be(desk: Desk) -> None:
    data = desk.data("a.csv", table({"x": NUMBERS}))
    refusal = desk.refusal("validate_data", data=data, schema="/etc/rules.yaml")
    assert (refusal.problem.reason, refusal.problem.field) == ("data_outside_roots", "schema")


def test_an_inferred_schema_fits_its_own_data_and_no_other(desk: Desk) -> None:
    found = desk.call("validate_data", data="sklearn://wine", target="target")
    rules = {name: rule.model_dump(mode="json") for name, rule in found.rules.items()}
    again = columns_of(desk.call("validate_data", data="sklearn://wine", schema=rules))
    assert {check.status for check in again.values()} == {"passed"}
    assert len(again) == 14
    other = desk.call("validate_data", data="sklearn://iris", schema=rules)
    assert {check.column for check in other.checks if check.name == "column_missing"} == set(rules) - {"target"}


def test_the_schema_saved_with_data_can_be_passed(desk: Desk) -> None:
    saved = desk.call("save_processed_data", data=desk.data("a.csv", people()), destination="out/a.parquet")
    changed = desk.data("b.csv", people().replace("Oslo", "").replace("2024-03-03", "soon"))
    found = columns_of(desk.call("validate_data", data=changed, schema=saved.schema_uri))
    assert {name: check.status for name, check in found.items()} == {
        "age": "passed",
        "city": "failed",
        "joined": "failed",
        "pays": "passed",
    }


def test_unseen_values_are_a_warning_and_shared_rows_are_counted(desk: Desk) -> None:
    frame = load_iris(as_frame=True).frame
    frame["place"] = ["here", "there"] * 75
    train = desk.data("train.csv", frame.iloc[:120].to_csv(index=False))
    test = frame.iloc[110:].assign(place="elsewhere").reset_index(drop=True)
    test.loc[:9, "place"] = frame["place"].iloc[110:120].to_numpy()
    test.loc[39, "sepal length (cm)"] = 99
    path = desk.root / "test.parquet"
    test.to_parquet(path)
    found = desk.call("validate_data", data="test.parquet", target="target", reference=train)
    (overlap,) = [check for check in found.checks if check.name == "overlap"]
    assert overlap.status == "warning"
    assert (overlap.count, overlap.rows) == (10, list(range(1, 11)))
    held = columns_of(found)
    assert held["place"].status == "warning"
    assert (held["place"].count, held["place"].rows[0]) == (30, 11)
    assert "up to 99" in held["sepal length (cm)"].found
    assert found.rules["place"].allowed == ["here", "there"]


def test_a_column_of_another_kind_than_in_the_reference_fails(desk: Desk) -> None:
    one, other = table({"x": NUMBERS}), table({"x": [f"n{number}" for number in NUMBERS]})
    found = desk.call("validate_data", data=desk.data("b.csv", other), reference=desk.data("a.csv", one))
    assert not found.passed
    assert columns_of(found)["x"].found == "column 'x': a category instead of a number."


HALF = [0] * 15 + [1] * 15
LEAKS: dict[str, tuple[dict[str, list[Any]], str, str]] = {
    "the target itself in other units": (
        {"y": [value * 1.5 for value in range(30)], "z": [value * 3 + 1 for value in range(30)]}, "regression", "'z'"
    ),
    "a number that rises with it": (
        {"y": list(range(30)), "z": [math.exp(value / 3) for value in range(30)]}, "regression", "'z'"
    ),
    "a number that parts the classes": (
        {"y": HALF, "z": [value / 7 + 100 * half for value, half in enumerate(HALF)]}, "classification", "'z'"
    ),
    "a code": ({"y": HALF, "z": [{0: 7, 1: 3}[half] for half in HALF]}, "classification", "'z'"),
    "a word for each class": ({"y": HALF, "z": [["out", "in"][half] for half in HALF]}, "classification", "'z'"),
    "a date that only one class has": (
        {"y": HALF, "z": ["2024-01-02" if half else "" for half in HALF]}, "classification", "whether column"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "task", "found"), LEAKS.values(), ids=LEAKS)
def test_a_column_that_reveals_the_target_is_reported(
    desk: Desk, columns: dict[str, list[Any]], task: str, found: str
) -> None:
    content = table({"x": NUMBERS} | columns)
    check = warned(desk, content, "target_leak", target="y", task=task)
    assert found in check.found
    assert check.column == "z"


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "iris", "digits", "diabetes"])
def test_clean_data_causes_no_leak_warning(desk: Desk, name: str) -> None:
    found = desk.call("validate_data", data=f"sklearn://{name}", target="target")
    assert [check.column for check in found.checks if check.name == "target_leak"] == []


def test_rows_that_differ_in_their_target_alone_are_counted(desk: Desk) -> None:
    content = table({"x": [*range(28), 5, 6], "y": ["a", "b"] * 14 + ["a", "b"]})
    check = warned(desk, content, "contradicting_rows", target="y")
    assert (check.rows, check.count) == ([6, 7, 29, 30], 4)


def test_the_classes_are_counted(desk: Desk) -> None:
    assert desk.call("validate_data", data="sklearn://wine", target="target").classes == {"1": 71, "0": 59, "2": 48}


def test_gaps_and_many_categories_are_warnings(desk: Desk) -> None:
    content = table(
        {
            "x": [1] + [""] * 320 + NUMBERS * 9 + NUMBERS[:9],
            "town": [f"t{row % 150}" for row in range(600)],
            "y": ["a", "b"] * 300,
        }
    )
    assert warned(desk, content, "mostly_missing", target="y").count == 320
    assert "'town' has 150" in warned(desk, content, "many_categories", target="y").found


@pytest.mark.parametrize(
    ("values", "kind", "unclear"),
    [
        (["2012/01/05", "2012/12/31"], "date", False),
        (["2010/01/01 00:00:00", "2010/01/01 13:30:00"], "date", False),
        (["2024-02-29T10:00:00Z", "2024-03-01"], "date", False),
        (["Jan 1 2000", "Feb 15 2000"], "category", True),
        (["31.12.2024", "1.2.2025"], "category", True),
        (["02/03/2024", "12/31/2024"], "category", True),
        (["2024-02-30", "2024-03-01"], "category", False),
        (["10-4", "three"], "category", False),
    ],
)
def test_dates_start_with_the_year_and_other_formats_are_reported(
    desk: Desk, values: list[str], kind: str, unclear: bool
) -> None:
    found = desk.call("validate_data", data=desk.data("a.csv", table({"when": values * 15, "x": NUMBERS})))
    assert found.columns[0].kind == kind
    assert any(check.name == "unclear_dates" for check in found.checks) is unclear
