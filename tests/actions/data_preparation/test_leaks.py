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


@pytest.mark.parametrize(("gaps", "found"), [(4, ""), (5, "whether column 'x' has a value")])
def test_gaps_in_fewer_than_five_rows_show_nothing(gaps: int, found: str) -> None:
    assert leak([None] * gaps + [4.0] * (30 - gaps), ["a"] * gaps + ["b"] * (30 - gaps)) == found
    assert leak([4.0] * gaps + [None] * (30 - gaps), ["a"] * gaps + ["b"] * (30 - gaps)) == found


@pytest.mark.parametrize(
    ("target", "are_classes"),
    [(np.arange(20), True), (np.arange(21), False), ([f"class {number}" for number in range(21)], True)],
    ids=["20 numbers", "21 numbers", "21 words"],
)
def test_more_than_twenty_numbers_are_no_classes_that_gaps_could_reveal(target: Any, are_classes: bool) -> None:
    values = [None] * 5 + [4.0] * (5 * len(target) - 5)
    assert (leak(values, np.repeat(target, 5)) != "") is are_classes


@pytest.mark.parametrize("values", [["same"] * 25, np.arange(25.0)], ids=["one word", "numbers"])
def test_values_that_only_one_of_three_classes_has_do_not_tell_the_others_apart(values: Any) -> None:
    assert leak([*values, *[None] * 50], np.repeat(["a", "b", "c"], 25)) == ""


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


@pytest.mark.parametrize("known", [9, 10])
@pytest.mark.parametrize("values", [[0.5, 1.5], ["one", "two"]], ids=["numbers", "words"])
def test_fewer_than_ten_values_show_nothing(values: list[Any], known: int) -> None:
    column = [values[0]] * 4 + [None] * 20 + [values[1]] * (known - 4)
    assert (leak(column, ["a"] * 14 + ["b"] * (known + 6)) != "") is (known == 10)


@pytest.mark.parametrize(("rows", "found"), [(4, ""), (5, "column 'x'")])
def test_a_range_of_fewer_than_five_rows_is_no_range(rows: int, found: str) -> None:
    assert leak(np.arange(30.0), ["a"] * rows + ["b"] * (30 - rows)) == found


def test_ranges_are_judged_by_the_classes_that_have_numbers() -> None:
    assert leak([*[None] * 5, *np.arange(30.0)], [*["c"] * 5, *HALF]) == "column 'x'"


def test_rows_without_a_target_are_ignored() -> None:
    assert leak([*np.arange(30.0), 3.0, 29.0], [*HALF, None, None]) == "column 'x'"
    assert leak([*np.arange(29.0), 3.0], [*HALF[:-1], None]) == "column 'x'"


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


@pytest.mark.parametrize("sign", [0.1, -0.1])
@pytest.mark.parametrize(("levels", "found"), [(20, ""), (21, "column 'x'")])
def test_rising_strictly_with_a_target_of_few_values_is_no_leak(sign: float, levels: int, found: str) -> None:
    assert leak(np.exp(np.arange(30) / 3), sign * np.sort(np.arange(30) % levels)) == found


def test_a_column_of_repeated_numbers_does_not_rise_strictly() -> None:
    assert leak(np.exp(np.arange(30) // 2 / 3), np.arange(30.0)) == ""


def test_ten_numbers_suffice_to_see_that_a_column_follows_the_target() -> None:
    numbers = np.arange(10.0)
    assert leak([*numbers, 9.0], [*numbers, 9.001]) == "column 'x'"
    assert leak([*numbers[:-1], 8.0], [*numbers[:-1], 8.001]) == "column 'x'"
    assert leak([*numbers[:-2], 7.0], [*numbers[:-2], 7.001]) == ""


def test_a_target_that_is_always_the_same_is_given_away_by_nothing() -> None:
    assert leak(np.arange(30.0), [1.0] * 30) == ""


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


@pytest.mark.parametrize(("words", "rows", "found"), [
    (20, 60, "column 'x'"), (21, 60, ""), (21, 209, ""), (21, 210, "column 'x'"),
])  # fmt: skip
def test_many_words_are_a_leak_only_if_each_has_ten_rows(words: int, rows: int, found: str) -> None:
    numbers = np.arange(rows) % words
    assert leak([f"word {number}" for number in numbers], np.where(numbers < 9, "a", "b")) == found


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


@pytest.mark.parametrize("target", [None, "z"], ids=["none", "not in the table"])
def test_rows_without_a_target_contradict_none(target: str | None) -> None:
    rows = AlikeRows(pd.DataFrame({"x": [1, 1], "y": ["a", "b"]}), target)
    assert rows.contradicting().tolist() == []
    assert AlikeRows(pd.DataFrame({"x": [1, 1]}), target).repeated().tolist() == [1]
    assert AlikeRows(pd.DataFrame({"x": [1, 1]}), target).contradicting().tolist() == []


def test_rows_can_be_alike_with_gaps_and_a_target_alone_makes_no_rows_alike() -> None:
    rows = AlikeRows(pd.DataFrame({"x": [None, None, 2.0, 2.0], "y": ["a", "b", "a", "a"]}), "y")
    assert rows.repeated().tolist() == [3]
    assert rows.contradicting().tolist() == [0, 1]
    assert AlikeRows(pd.DataFrame({"y": ["a", "b"]}), "y").contradicting().tolist() == []
    assert AlikeRows(pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}), "y").contradicting().tolist() == []


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
