"""Columns that give the target away are found, and honest ones are not accused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from actions.data_preparation import leaks
from actions.data_preparation.columns import describe
from actions.data_preparation.leaks import AlikeRows, Leaks, repeated_from

HALF = ["a"] * 15 + ["b"] * 15


def leak(values: Any, target: Any = HALF) -> str:
    """Return what the column x of a table reveals."""
    frame = pd.DataFrame({"x": values, "y": target})
    return Leaks(frame, "y").describe(describe(frame["x"]))


# --- gaps ----------------------------------------------------------------------------------------------------------------


def test_gaps_that_are_all_of_one_class_and_values_that_are_of_the_other_are_a_leak() -> None:
    assert leak([None] * 15 + [4.0] * 15) == "whether column 'x' has a value"


@pytest.mark.parametrize(
    "gaps",
    [range(10), [*range(15), 20], range(12, 18), range(4)],
    ids=["some of a class", "a class and one more", "of both classes", "too few"],
)
def test_gaps_that_only_go_along_with_a_class_are_no_leak(gaps: Any) -> None:
    assert leak([None if row in gaps else 4.0 for row in range(30)]) == ""


# --- ranges --------------------------------------------------------------------------------------------------------------


def test_classes_in_separate_ranges_are_a_leak_and_classes_that_share_a_boundary_are_not() -> None:
    low, high = [number / 7 for number in range(15)], [3 + number / 7 for number in range(15)]
    assert leak(low + high) == "column 'x'"
    assert leak([*low[:-1], high[0], *high]) == ""


def test_one_value_on_the_other_side_makes_a_column_honest() -> None:
    values = [float(number) for number in range(30)]
    values[3] = 29.5
    assert leak(values) == ""


@pytest.mark.parametrize("rows", [9, 10])
def test_fewer_than_ten_rows_show_nothing(rows: int) -> None:
    target = ["a"] * 5 + ["b"] * (rows - 5)
    assert (leak([float(number) for number in range(rows)], target) != "") is (rows == 10)


# --- numbers that move together ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("noise", "found"), [(0.001, "column 'x'"), (0.05, "")])
def test_only_a_column_that_follows_the_target_all_but_exactly_is_a_leak(noise: float, found: str) -> None:
    generator = np.random.default_rng(0)
    target = generator.normal(0, 1, 500)
    assert leak(target * 3 + 1 + generator.normal(0, noise * 3, 500), target) == found


@pytest.mark.parametrize("sign", [1, -1])
def test_a_column_that_rises_or_falls_strictly_with_the_target_is_a_leak(sign: int) -> None:
    numbers = np.arange(30.0)
    assert leak(sign * np.exp(numbers / 3), numbers) == "column 'x'"
    assert leak(sign * np.exp(np.roll(numbers, 2) / 3), numbers) == ""


# --- large data ----------------------------------------------------------------------------------------------------------


def test_what_a_sample_shows_is_checked_on_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "_SAMPLE", 100)
    values = np.arange(2_000.0)
    target = np.where(values < 1_000, "a", "b")
    assert leak(values, target) == "column 'x'"
    sampled = np.random.default_rng(0).permutation(2_000)[:100]
    odd = next(row for row in range(1_000) if row not in sampled)
    target[odd] = "b"
    assert leak(values, target) == ""


# --- words and codes -----------------------------------------------------------------------------------------------------


def test_a_word_for_each_class_is_a_leak_and_a_word_that_both_classes_have_is_not() -> None:
    words = ["one", "two"] * 7 + ["one"] + ["three"] * 15
    assert leak(words) == "column 'x'"
    words[-1] = "one"
    assert leak(words) == ""


@pytest.mark.parametrize(
    "values",
    [["same"] * 30, [f"word {row}" for row in range(30)], [4.0] * 30],
    ids=["constant", "all different", "one number"],
)
def test_a_column_of_one_value_or_of_nothing_but_different_words_is_no_leak(values: list[Any]) -> None:
    assert leak(values) == ""


# --- rows ----------------------------------------------------------------------------------------------------------------


def test_repeated_rows_are_those_that_equal_an_earlier_one_in_every_column() -> None:
    frame = pd.DataFrame({"x": [1, 2, 1, 1, 3], "y": ["a", "b", "a", "b", "a"]})
    rows = AlikeRows(frame, "y")
    assert rows.repeated().tolist() == [2]
    assert rows.contradicting().tolist() == [0, 2, 3]


def test_rows_shared_with_other_data_are_found_though_one_of_both_has_an_id() -> None:
    train = pd.DataFrame({"x": [1.0, 2.0, 3.0], "city": ["Oslo", "Lima", "Bern"]})
    test = pd.DataFrame({"id": [7, 8], "x": [2.0, 9.0], "city": ["Lima", "Lima"]})
    columns = [describe(test[name]) for name in test]
    assert repeated_from(test, columns, train).tolist() == [True, False]


def test_rows_are_compared_by_columns_with_values_alone() -> None:
    train = pd.DataFrame({"x": [1.0, 2.0], "empty": [5.0, 6.0]})
    test = pd.DataFrame({"x": [2.0, 9.0], "empty": [None, None]})
    columns = [describe(test[name]) for name in test]
    assert repeated_from(test, columns, train).tolist() == [True, False]
    assert repeated_from(test[["empty"]], columns[1:], train).tolist() == [False, False]
