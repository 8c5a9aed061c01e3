"""How sure figures are: resampled figures are scikit-learn's, and intervals hold the truth as often as they say."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from actions.ml_evaluation.bootstrap import MIN_RESAMPLES, distributions, interval, intervals, resample_count
from actions.ml_evaluation.weighted_scores import classification_statistic, of_class, regression_statistic
from actions.models.scores import classification_scores, one_against_rest, regression_scores


def answers(rows: int, classes: int, seed: int = 0, *, ties: bool = False) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, classes, rows)
    chances = generator.dirichlet(np.ones(classes), rows) + 0.4 * np.eye(classes)[codes]
    chances = np.round(chances, 1) + 0.01 if ties else chances
    return codes, chances / chances.sum(axis=1, keepdims=True)


def numbers(rows: int, seed: int = 0) -> tuple[Any, Any]:
    generator = np.random.default_rng(seed)
    truth = generator.normal(20, 3, rows)
    return truth, truth + generator.normal(0, 1, rows)


def drawn(rows: int, seed: int = 1) -> tuple[Any, Any]:
    """Return a resample twice: as the places of its rows, and as a line of counts."""
    places = np.random.default_rng(seed).integers(0, rows, rows)
    return places, np.bincount(places, minlength=rows).astype(float)[None, :]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_each_figure_of_a_resampled_classifier_is_that_of_its_rows(classes: int, ties: bool) -> None:
    codes, chances = answers(150, classes, ties=ties)
    places, counts = drawn(150)
    found = classification_statistic(codes, chances).figures(counts)
    expected = classification_scores(codes[places], chances[places], np.arange(classes))
    assert {name: values[0] for name, values in found.items() if name in expected} == pytest.approx(expected)
    last = classes - 1
    area = one_against_rest(codes[places] == last, chances[places][:, last])
    assert (found[of_class("roc_auc", last)][0], found[of_class("pr_auc", last)][0]) == pytest.approx(area)


def test_a_class_that_a_resample_lacks_leaves_its_areas_undefined_and_counts_in_no_mean() -> None:
    codes, chances = answers(60, 3)
    codes[codes == 2] = 1
    codes[0] = 2
    counts = np.ones((1, 60))
    counts[0, :2] = 0, 2
    places = np.repeat(np.arange(60), counts[0].astype(int))
    found = classification_statistic(codes, chances).figures(counts)
    expected = classification_scores(codes[places], chances[places], np.arange(3))
    assert expected["roc_auc"] is None
    assert np.isnan(found["roc_auc"][0])
    assert found["balanced_accuracy"][0] == pytest.approx(expected["balanced_accuracy"])


@pytest.mark.parametrize("rows", [80, 81])
def test_each_figure_of_a_resampled_regressor_is_that_of_its_rows(rows: int) -> None:
    truth, predicted = numbers(rows)
    places, counts = drawn(rows)
    found = regression_statistic(truth, predicted).figures(counts)
    expected = regression_scores(truth[places], predicted[places])
    del expected["max_error"]
    assert {name: values[0] for name, values in found.items()} == pytest.approx(expected)


def test_a_share_of_zero_has_no_interval_and_a_spread_of_nothing_neither() -> None:
    assert set(intervals(regression_statistic(np.zeros(30), np.ones(30)), 0)) == {
        "rmse",
        "mae",
        "median_absolute_error",
    }


def test_the_same_seed_gives_the_same_interval_and_another_one_nearly_the_same() -> None:
    statistic = classification_statistic(*answers(300, 2))
    first, again, other = (intervals(statistic, seed)["roc_auc"] for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert (first.low, first.high) == pytest.approx((other.low, other.high), abs=0.01)


def test_of_one_row_there_is_one_resample() -> None:
    codes, chances = answers(1, 2)
    found = intervals(classification_statistic(codes, chances), 0)
    assert found["accuracy"].low == found["accuracy"].high
    assert "roc_auc" not in found


def test_a_figure_that_many_resamples_leave_undefined_has_no_interval() -> None:
    values = np.append(np.full(11, np.nan), np.linspace(0, 1, 89))
    assert interval(values, 0.05, 0.95) is None
    assert interval(values[2:], 0.0, 1.0) is not None


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    true_accuracy, rows, tries = 0.8, 200, 300
    held = 0
    for _ in range(tries):
        right = generator.random(rows) < true_accuracy
        codes = generator.integers(0, 2, rows)
        called = np.where(right, codes, 1 - codes)
        chances = np.column_stack([1 - called, called]) * 0.8 + 0.1
        values = distributions(classification_statistic(codes, chances), 0, 400)["accuracy"]
        found = interval(values, 0.025, 0.975)
        assert found is not None
        held += found.low <= true_accuracy <= found.high
    assert 0.91 <= held / tries <= 0.98


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_resampled_in_seconds() -> None:
    statistic = classification_statistic(*answers(100_000, 2))
    started = time.process_time()
    found = intervals(statistic, 0)
    assert time.process_time() - started < 20
    assert resample_count(statistic) > 2 * MIN_RESAMPLES
    assert found["accuracy"].high - found["accuracy"].low < 0.01
