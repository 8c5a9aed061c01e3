"""LightGBM, watched round by round, gives the model of the library; it resumes where that is exact."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression

from actions.errors import Interrupted, InvalidInput
from actions.ml_training.algorithm import Parts
from actions.ml_training.algorithms.lightgbm import ALGORITHM
from actions.ml_training.hyperparameters import check_hyperparameters
from actions.ml_training.interruption import until_interrupted
from actions.ml_training.progress import TrainingProgress

LABELS = np.array(["low", "middle", "high"])
ROWS, CODES = make_classification(900, 12, n_informative=6, n_classes=3, random_state=0)
NUMBERS = make_regression(900, 12, noise=20, random_state=0)


def parts_of(rows: Any, target: Any) -> Parts:
    return {"train": (rows[:600], target[:600]), "validation": (rows[600:], target[600:])}


CLASSES = parts_of(ROWS, LABELS[CODES])


def fitted(task: str, parts: Parts, progress: TrainingProgress | None = None, cores: int = 1, **given: Any) -> Any:
    estimator = ALGORITHM.build(task, given, 7, cores)
    ALGORITHM.fit(estimator, parts, progress or TrainingProgress(lambda *_, **__: None))
    return estimator


def test_the_model_is_that_of_the_library() -> None:
    from lightgbm import LGBMClassifier

    given: dict[str, Any] = {"n_estimators": 40, "colsample_bytree": 0.5, "class_weight": "balanced"}
    ours = fitted("classification", CLASSES, **given)
    theirs = LGBMClassifier(
        **given, random_state=7, deterministic=True, force_row_wise=True, n_jobs=1, verbosity=-1
    ).fit(*CLASSES["train"])
    assert np.array_equal(ours.predict_proba(ROWS), theirs.predict_proba(ROWS))
    assert list(ours.classes_) == sorted(LABELS)
    assert ours.get_params() == theirs.get_params()


def test_it_stops_early_in_the_round_in_which_the_library_does() -> None:
    from lightgbm import LGBMRegressor, early_stopping

    parts = parts_of(*NUMBERS)
    ours = fitted("regression", parts, n_estimators=400, learning_rate=0.3, early_stopping_rounds=5)
    theirs = LGBMRegressor(
        n_estimators=400, learning_rate=0.3, random_state=7, deterministic=True, force_row_wise=True, n_jobs=1, verbosity=-1
    ).fit(
        *parts["train"], eval_X=parts["validation"][0], eval_y=parts["validation"][1],
        callbacks=[early_stopping(5, verbose=False)],
    )  # fmt: skip
    assert ours.best_iteration_ == theirs.best_iteration_ < 395
    assert np.array_equal(ours.predict(NUMBERS[0]), theirs.predict(NUMBERS[0]))
    assert ours.get_params()["early_stopping_rounds"] == 5


@pytest.mark.parametrize(
    "given", [{}, {"colsample_bytree": 0.5}, {"subsample": 0.5, "subsample_freq": 1}, {"extra_trees": True}]
)
def test_the_number_of_threads_does_not_change_the_model(given: dict[str, Any]) -> None:
    one, several = (fitted("classification", CLASSES, cores=cores, n_estimators=20, **given) for cores in (1, 3))
    assert np.array_equal(one.predict_proba(ROWS), several.predict_proba(ROWS))


@pytest.mark.parametrize(
    ("given", "resumes"),
    [
        ({"early_stopping_rounds": 8, "class_weight": "balanced"}, True),
        ({"colsample_bytree": 0.5}, False),
        ({"subsample": 0.5, "subsample_freq": 1}, False),
        ({"boosting_type": "dart"}, False),
        ({"extra_trees": True}, False),
    ],
)
def test_a_checkpoint_is_kept_only_where_resuming_is_exact(
    tmp_path: Path, given: dict[str, Any], resumes: bool
) -> None:
    def interrupt(step: str, done: int | None = None, total: int | None = None, metrics: Any = None) -> None:
        if done == 9:
            os.kill(os.getpid(), signal.SIGTERM)

    given = {"n_estimators": 60, "learning_rate": 0.3, **given}
    with until_interrupted() as is_interrupted, pytest.raises(Interrupted):
        fitted("classification", CLASSES, TrainingProgress(interrupt, tmp_path, "work", is_interrupted), **given)
    assert bool(list(tmp_path.glob("checkpoint-*"))) == resumes
    rounds: list[int | None] = []

    def record(step: str, done: int | None = None, total: int | None = None, metrics: Any = None) -> None:
        rounds.append(done)

    progress = TrainingProgress(record, tmp_path, "work")
    resumed, whole = fitted("classification", CLASSES, progress, **given), fitted("classification", CLASSES, **given)
    assert rounds[0] == (9 if resumes else 1)
    assert resumed.best_iteration_ == whole.best_iteration_
    assert np.array_equal(resumed.predict_proba(ROWS), whole.predict_proba(ROWS))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"subsample": 0.5}, "contradictory_hyperparameters"),
        ({"boosting_type": "dart", "early_stopping_rounds": 5}, "contradictory_hyperparameters"),
        ({"class_weight": "balanced", "scale_pos_weight": 2.0}, "contradictory_hyperparameters"),
        ({"boosting_type": "goss"}, "hyperparameter_refused"),
        ({"n_estimators": 0}, "hyperparameter_refused"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_hyperparameters("classification", "lightgbm", given)
    assert caught.value.problem.reason == reason


def test_a_value_that_the_library_refuses_is_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match="num_leaves"):
        fitted("classification", CLASSES, num_leaves=1)
