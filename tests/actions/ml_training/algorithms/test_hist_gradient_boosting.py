"""Histogram gradient boosting, watched round by round, gives the model of the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from actions.ml_training.algorithm import Parts
from actions.ml_training.algorithms import hist_gradient_boosting
from actions.ml_training.algorithms.hist_gradient_boosting import ALGORITHM
from actions.ml_training.progress import TrainingProgress

CLASSES = make_classification(900, 12, n_informative=6, n_classes=3, random_state=0)
NUMBERS = make_regression(900, 12, noise=20, random_state=0)


def parts_of(data: Any) -> Parts:
    rows, target = data
    return {"train": (rows[:600], target[:600]), "validation": (rows[600:], target[600:])}


def fitted(task: str, parts: Parts, **given: Any) -> tuple[Any, TrainingProgress]:
    estimator = ALGORITHM.build(task, given, 7, 1)
    progress = TrainingProgress(lambda *_, **__: None)
    ALGORITHM.fit(estimator, parts, progress)
    return estimator, progress


def test_the_model_is_that_of_the_library() -> None:
    parts = parts_of(CLASSES)
    ours, _ = fitted("classification", parts, max_iter=40, max_features=0.5, class_weight="balanced")
    theirs = HistGradientBoostingClassifier(
        max_iter=40, max_features=0.5, class_weight="balanced", early_stopping=False, random_state=7
    ).fit(*parts["train"])
    assert np.array_equal(ours.predict_proba(CLASSES[0]), theirs.predict_proba(CLASSES[0]))
    assert ours.get_params() == theirs.get_params()
    assert set(vars(ours)) == set(vars(theirs))


def test_it_stops_early_in_the_round_in_which_the_library_does() -> None:
    parts = parts_of(NUMBERS)
    ours, progress = fitted("regression", parts, max_iter=300, learning_rate=0.3, n_iter_no_change=5)
    theirs = HistGradientBoostingRegressor(
        max_iter=300, learning_rate=0.3, early_stopping=True, n_iter_no_change=5, random_state=7
    ).fit(*parts["train"], X_val=parts["validation"][0], y_val=parts["validation"][1])
    assert ours.n_iter_ == theirs.n_iter_ < 300
    assert np.array_equal(ours.predict(NUMBERS[0]), theirs.predict(NUMBERS[0]))
    errors = (parts["validation"][1] - ours.predict(parts["validation"][0])) ** 2
    assert len(progress.curves["validation"]["mse"]) == ours.n_iter_
    assert progress.curves["validation"]["mse"][-1] == pytest.approx(errors.mean())


def test_the_validation_rows_decide_nothing_unless_asked_to() -> None:
    parts = parts_of(NUMBERS)
    with_them, _ = fitted("regression", parts, max_iter=60, learning_rate=0.5)
    without, progress = fitted("regression", {"train": parts["train"]}, max_iter=60, learning_rate=0.5)
    assert with_them.n_iter_ == without.n_iter_ == 60
    assert np.array_equal(with_them.predict(NUMBERS[0]), without.predict(NUMBERS[0]))
    assert set(progress.curves) == {"train"}


def test_the_number_of_threads_does_not_change_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parts_of(CLASSES)
    one, _ = fitted("classification", parts, max_iter=30)
    monkeypatch.setattr(hist_gradient_boosting, "MIN_VALUES_FOR_THREADS", 0)
    with threadpool_limits(3, user_api="openmp"):
        several, _ = fitted("classification", parts, max_iter=30)
        answers = several.predict_proba(CLASSES[0])
    assert np.array_equal(one.predict_proba(CLASSES[0]), answers)


def test_a_tolerance_without_early_stopping_is_refused() -> None:
    from actions.errors import InvalidInput
    from actions.ml_training.hyperparameters import check_hyperparameters

    with pytest.raises(InvalidInput, match="tol is part of early stopping"):
        check_hyperparameters("regression", "hist_gradient_boosting", {"tol": 0.1})
