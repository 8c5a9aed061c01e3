"""How split_dataset parts rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from actions.data_preparation.split import part_classes, split_labels
from actions.errors import InvalidInput
from actions.operation import find_operation
from tests.support.operating import Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def parts(desk: Desk, found: Any) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(desk.root / getattr(found, name).uri) for name in ("train", "validation", "test")}


def rows_of(frame: pd.DataFrame) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in frame.astype(str).itertuples(index=False)}


@pytest.mark.parametrize(
    ("strategy", "column"), [("random", None), ("stratified", "pays"), ("group", "joined"), ("time", "joined")]
)
def test_each_row_is_in_one_part(desk: Desk, strategy: str, column: str | None) -> None:
    uri = desk.data("people.csv", people(200))
    split = parts(desk, desk.call("split_dataset", data=uri, destination="out", strategy=strategy, column=column))
    assert sum(len(part) for part in split.values()) == 200
    assert rows_of(pd.concat(split.values())) == rows_of(pd.read_csv(desk.root / uri))
    assert 20 <= len(split["test"]) <= 60


def test_the_same_seed_gives_the_same_parts_and_another_seed_different_ones(desk: Desk) -> None:
    uri = desk.data("people.csv", people(200))
    first, again, other = (
        desk.call("split_dataset", data=uri, destination=f"out{place}", seed=seed)
        for place, seed in enumerate((1, 1, 2))
    )
    assert [first.train.sha256, first.test.sha256] == [again.train.sha256, again.test.sha256]
    assert first.test.sha256 != other.test.sha256


def test_a_tenth_is_for_validation_and_a_fifth_for_tests_unless_the_request_says_otherwise(desk: Desk) -> None:
    uri = desk.data("people.csv", people(15))
    found = desk.call("split_dataset", data=uri, destination="out")
    assert (found.train.rows, found.validation.rows, found.test.rows, found.seed) == (10, 2, 3, 42)
    unvalidated = desk.call("split_dataset", data=uri, destination="again", validation_fraction=0)
    assert (unvalidated.train.rows, unvalidated.validation, unvalidated.test.rows) == (12, None, 3)


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_a_seed_may_be_any_whole_number_of_31_bits(desk: Desk, seed: int) -> None:
    uri = desk.data("people.csv", people(15))
    assert desk.call("split_dataset", data=uri, destination="out", seed=seed).seed == seed


def test_splitting_again_is_harmless() -> None:
    assert find_operation("split_dataset").idempotent


def test_each_class_is_in_training_and_test_even_with_two_rows(desk: Desk) -> None:
    labels = ["a"] * 40 + ["b"] * 8 + ["c"] * 2
    content = "x,y\n" + "".join(f"{row},{label}\n" for row, label in enumerate(labels))
    split = parts(
        desk,
        desk.call(
            "split_dataset", data=desk.data("a.csv", content), destination="out", strategy="stratified", column="y"
        ),
    )
    assert split["train"]["y"].value_counts().to_dict() == {"a": 28, "b": 5, "c": 1}
    assert split["test"]["y"].value_counts().to_dict() == {"a": 8, "b": 2, "c": 1}


def test_a_group_stays_together(desk: Desk) -> None:
    uri = desk.data("people.csv", people(200))
    split = parts(desk, desk.call("split_dataset", data=uri, destination="out", strategy="group", column="joined"))
    assert not set(split["train"]["joined"]) & set(split["test"]["joined"])


def test_by_time_the_latest_rows_are_the_test_rows(desk: Desk) -> None:
    uri = desk.data("people.csv", people(200))
    split = parts(desk, desk.call("split_dataset", data=uri, destination="out", strategy="time", column="joined"))
    assert split["train"]["joined"].max() <= split["validation"]["joined"].min()
    assert split["validation"]["joined"].max() <= split["test"]["joined"].min()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"strategy": "stratified"}, "split_column_missing"),
        ({"strategy": "group", "column": "town"}, "split_column_missing"),
        ({"test_fraction": 0.6, "validation_fraction": 0.5}, "fractions_out_of_range"),
        ({"test_fraction": 0}, "fractions_out_of_range"),
        ({"test_fraction": -0.1}, "invalid_argument"),
        ({"test_fraction": 0.91, "validation_fraction": 0}, "invalid_argument"),
        ({"seed": -1}, "invalid_argument"),
        ({"seed": 2**31}, "invalid_argument"),
        ({"destination": "../out"}, "outside_storage"),
        ({"destination": "/tmp/out"}, "outside_storage"),
        ({"destination": "s3://bucket/out"}, "outside_storage"),
        ({"strategy": "stratified", "column": "joined"}, "target_wrong_kind"),
        ({"strategy": "group", "column": "age"}, "split_column_has_missing_values"),
        ({"strategy": "time", "column": "age"}, "split_column_has_missing_values"),
        ({"strategy": "time", "column": "city"}, "split_column_wrong_kind"),
        ({"target": "pay"}, "target_missing"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused_and_writes_nothing(
    desk: Desk, arguments: dict[str, Any], reason: str
) -> None:
    uri = desk.data("people.csv", people(60))
    assert desk.refusal("split_dataset", **{"data": uri, "destination": "out"} | arguments).problem.reason == reason
    assert desk.files() == {}


def test_nine_rows_are_too_few(desk: Desk) -> None:
    uri = desk.data("people.csv", people(9))
    assert desk.refusal("split_dataset", data=uri, destination="out").problem.reason == "too_few_rows"


def test_by_time_rows_are_in_the_order_of_dates_not_of_texts(desk: Desk) -> None:
    moments = [f"{2_000 + row // 12}-{row % 12 + 1:02d}-01T{row % 24:02d}:00:00+0{row % 9}:00" for row in range(60)]
    content = "x,at\n" + "".join(f"{row},{moments[row]}\n" for row in (7 * step % 60 for step in range(60)))
    found = desk.call(
        "split_dataset", data=desk.data("a.csv", content), destination="out", strategy="time", column="at"
    )
    assert sorted(parts(desk, found)["test"]["x"]) == list(range(48, 60))


@pytest.mark.parametrize("strategy", ["group", "time"])
def test_a_part_with_one_class_is_refused_and_writes_nothing(desk: Desk, strategy: str) -> None:
    content = "when,y\n" + "".join(f"{2_000 + row // 20},{'late' if row >= 70 else 'early'}\n" for row in range(100))
    arguments = {
        "data": desk.data("a.csv", content), "destination": "out", "strategy": strategy, "column": "when", "target": "y"
    }  # fmt: skip
    refusal = desk.refusal("split_dataset", **arguments)
    assert (refusal.problem.reason, refusal.problem.field) == ("one_class_in_part", "y")
    assert re.search(r"'(early|late)' in each of the \d+ (train|test) rows", refusal.problem.found)
    assert desk.files() == {}


def test_the_classes_of_each_part_are_counted(desk: Desk) -> None:
    arguments = {"strategy": "stratified", "column": "target", "target": "target"}
    found = desk.call("split_dataset", data="sklearn://wine", destination="out", **arguments)
    assert found.classes == {
        "train": {"0": 41, "1": 50, "2": 33},
        "validation": {"0": 6, "1": 7, "2": 5},
        "test": {"0": 12, "1": 14, "2": 10},
    }


# --- the choice of rows alone --------------------------------------------------------------------------------------------


def table(rows: int = 100) -> pd.DataFrame:
    return pd.DataFrame({"y": ["a", "b"] * (rows // 2), "group": [row // 4 for row in range(rows)], "at": range(rows)})


def labels(frame: pd.DataFrame, strategy: Any, column: str | None, seed: int = 1, **fractions: float) -> list[str]:
    asked = {"test_fraction": 0.2, "validation_fraction": 0.1} | fractions
    return [*split_labels(frame, strategy, column, asked["test_fraction"], asked["validation_fraction"], seed)]


@pytest.mark.parametrize(("strategy", "column"), [("random", None), ("stratified", "y"), ("group", "group")])
def test_the_seed_decides_which_rows_are_tested_on_unless_time_does(strategy: str, column: str | None) -> None:
    assert labels(table(), strategy, column) == labels(table(), strategy, column)
    assert labels(table(), strategy, column) != labels(table(), strategy, column, seed=2)
    assert labels(table(), "time", "at") == labels(table(), "time", "at", seed=2)


def test_a_class_of_two_rows_has_one_to_train_and_one_to_test_on_whatever_the_fractions_are() -> None:
    frame = pd.DataFrame({"y": ["a"] * 20 + ["b"] * 2})
    found = labels(frame, "stratified", "y", test_fraction=0.4, validation_fraction=0.5)
    assert sorted(found[20:]) == ["test", "train"]
    assert found[:20].count("train") == 2


@pytest.mark.parametrize(
    ("test", "validation"), [(0.5, 0.5), (0.9, 0.1), (0.0, 0.1)], ids=["none left", "nearly all tested on", "no tests"]
)
def test_fractions_that_leave_no_rows_to_train_or_to_test_on_are_refused(test: float, validation: float) -> None:
    with pytest.raises(InvalidInput) as refused:
        labels(table(), "random", None, test_fraction=test, validation_fraction=validation)
    assert refused.value.problem.reason == "fractions_out_of_range"


def test_a_class_of_three_rows_has_one_in_each_part_if_validation_asks_for_more() -> None:
    frame = pd.DataFrame({"y": ["a"] * 20 + ["b"] * 3})
    found = labels(frame, "stratified", "y", test_fraction=0.4, validation_fraction=0.5)
    assert sorted(found[20:]) == ["test", "train", "validation"]


def test_a_single_group_cannot_be_split_and_ten_rows_can() -> None:
    with pytest.raises(InvalidInput) as refused:
        labels(pd.DataFrame({"group": ["a"] * 10}), "group", "group")
    assert refused.value.problem.reason == "split_empty"
    assert labels(table(10), "random", None).count("train") == 7


def test_a_refusal_to_split_names_the_row_and_the_value() -> None:
    frame = pd.DataFrame({"group": ["a", "b", None, "c", "d", None, *"efghij"], "at": [*"xyzxyzxyzxyz"]})
    for column, strategy, found in (
        ("group", "group", "2 of 12 rows without one, the first in row 3."),
        ("at", "time", "'x' in column 'at'."),
    ):
        with pytest.raises(InvalidInput) as refused:
            labels(frame, strategy, column)
        assert refused.value.problem.found == found


def test_fractions_are_shares_of_the_rows() -> None:
    found = labels(table(), "random", None)
    assert [found.count(part) for part in ("train", "validation", "test")] == [70, 10, 20]


@pytest.mark.parametrize("part", ["train", "test"])
def test_one_class_in_the_training_or_in_the_test_rows_is_refused(part: str) -> None:
    other = {"train": "test", "test": "train"}[part]
    frame = pd.DataFrame({"y": ["a", "a", "a", "b"]})
    with pytest.raises(InvalidInput) as refused:
        part_classes(frame, np.array([part, part, other, other]), "y")
    assert refused.value.problem.reason == "one_class_in_part"
    assert f"2 {part} rows" in refused.value.problem.found


def test_the_classes_are_counted_up_to_a_hundred_of_them() -> None:
    for classes, counted in ((100, 100), (101, 0)):
        frame = pd.DataFrame({"y": [*range(classes), *range(classes)]})
        found = part_classes(frame, np.array(["train"] * classes + ["test"] * classes), "y")
        assert len(found.get("train", {})) == counted
