"""Searches for hyperparameters: within their budget, taken up again, and worth it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from actions.context import Context
from actions.errors import Conflict, Interrupted
from actions.operation import find_operation
from actions.storage.folder import Storage
from tests.support.operating import REPOSITORY, Desk, people

ROOT = Path(__file__).parents[3]
LOADERS = {"breast_cancer": load_breast_cancer, "diabetes": load_diabetes, "wine": load_wine}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def arguments(desk: Desk, name: str, algorithm: str, **more: Any) -> dict[str, Any]:
    frame = LOADERS[name](as_frame=True).frame.sample(frac=1, random_state=0)
    cut = int(0.8 * len(frame))
    desk.data("test.csv", frame[cut:].to_csv(index=False))
    return {
        "data": desk.data("train.csv", frame[:cut].to_csv(index=False)),
        "target": "target",
        "destination": "tuned",
        "task": "regression" if name == "diabetes" else "classification",
        "algorithm": algorithm,
    } | more


def tune(desk: Desk, name: str, algorithm: str, **more: Any) -> Any:
    return desk.call("tune_hyperparameters", **arguments(desk, name, algorithm, **more))


def test_a_search_finds_a_model_that_is_better_than_the_defaults_on_unseen_rows(desk: Desk) -> None:
    found = tune(desk, "diabetes", "xgboost", trials=15)

    def unseen(hyperparameters: dict[str, Any]) -> float:
        made = desk.call("train_supervised_regressor", data=f"{REPOSITORY}/datasets/train.csv", target="target",
                         destination="out", algorithm="xgboost", hyperparameters=hyperparameters)  # fmt: skip
        desk.call("save_model", training="out", destination="out", name="tuned")
        test = f"{REPOSITORY}/datasets/test.csv"
        rmse: float = desk.call("evaluate_regressor", model=made.uri, data=test).metrics["rmse"]
        return rmse

    assert unseen(found.hyperparameters) < 0.97 * unseen({})
    assert found.stopped_by == "trials"
    assert found.completed + found.pruned + found.failed == 15
    assert found.pruned > 0
    assert found.value == min(trial.value for trial in found.trials if trial.value is not None)


@pytest.mark.parametrize("method", ["bayesian", "random", "successive_halving"])
def test_each_method_prunes_and_finds_and_draws(desk: Desk, method: str) -> None:
    found = tune(desk, "breast_cancer", "logistic_regression", method=method, trials=24, metric="log_loss")
    assert found.value < 0.12
    assert found.pruned > 0
    assert all((desk.root / uri).read_bytes().startswith(b"\x89PNG") for uri in found.plots)
    drawn = {Path(uri).name for uri in found.plots}
    if method == "successive_halving":  # of which few trials come to their end
        assert "optimization_history.png" in drawn
    else:
        assert drawn == {"optimization_history.png", "parameter_importances.png"}
        assert sum(found.importances.values()) == pytest.approx(1)
        assert max(found.importances, key=lambda name: found.importances[name]) == "C"
    kept = json.loads((desk.root / "tuned/tuning.json").read_text(encoding="utf-8"))
    assert kept == found.model_dump(mode="json")


def tried(found: Any) -> list[tuple[Any, ...]]:
    return [(trial.number, trial.state, trial.hyperparameters, trial.value) for trial in found.trials]


def test_the_study_is_a_journal_of_json_lines(desk: Desk) -> None:
    found = tune(desk, "wine", "logistic_regression", trials=2)
    lines = (desk.root / found.study_uri).read_text(encoding="utf-8").splitlines()
    assert len(lines) > 4
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_the_same_seed_tries_the_same(desk: Desk) -> None:
    tried = [
        [(trial.hyperparameters, trial.value) for trial in found.trials]
        for found in (tune(desk, "wine", "logistic_regression", trials=4, destination=name) for name in ("one", "two"))
    ]
    assert tried[0] == tried[1]


def test_a_later_call_adds_trials_to_the_study_and_tries_nothing_twice(desk: Desk) -> None:
    first = tune(desk, "wine", "logistic_regression", trials=3, method="random")
    more = tune(desk, "wine", "logistic_regression", trials=7, method="random")
    same = tune(desk, "wine", "logistic_regression", trials=7, method="random")
    assert more.trials[:3] == first.trials
    assert len(more.trials) == 7
    assert same.trials == more.trials
    tried = [json.dumps(trial.hyperparameters) for trial in more.trials]
    assert len(set(tried)) == 7


def test_a_study_of_another_search_is_not_touched(desk: Desk) -> None:
    tune(desk, "wine", "logistic_regression", trials=2)
    before = desk.files()
    with pytest.raises(Conflict) as caught:
        tune(desk, "wine", "logistic_regression", trials=2, seed=7)
    assert caught.value.problem.reason == "other_search"
    assert desk.files() == before


def test_the_time_budget_ends_a_search_in_the_middle_of_a_trial(desk: Desk) -> None:
    given = {"epochs": 100_000, "patience": None}
    space = {"learning_rate": {"low": 0.001, "high": 0.01}}
    refusal = desk.refusal(
        "tune_hyperparameters",
        **arguments(desk, "wine", "neural_network", hyperparameters=given, space=space, minutes=0.02),
    )
    assert refusal.problem.reason == "no_trial_finished"
    assert refusal.problem.field == "minutes"
    few = {"epochs": 3, "patience": None}
    found = tune(desk, "wine", "neural_network", hyperparameters=few, space=space, minutes=0.05, trials=9_000,
                 destination="other")  # fmt: skip
    assert found.stopped_by == "time"
    assert 0 < found.completed < 9_000
    assert found.seconds < 30


def test_a_search_that_is_killed_goes_on_where_it_was(desk: Desk) -> None:
    asked = arguments(desk, "wine", "xgboost", trials=12, method="random")
    command = [
        sys.executable,
        "-m",
        "runners.job",
        "tune_hyperparameters",
        "--storage-root",
        str(desk.root),
        "--json",
        "-",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
        for line in process.stderr:
            if line.startswith(b"trial 4/"):
                process.kill()
                break
    journal = desk.root / "tuned/study.journal"
    with journal.open("ab") as file:
        file.write(b'{"op_code":6,"wor')  # as a process leaves it that is killed while it writes
    lock = desk.root / "tuned/study.journal.lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to(journal)
    found = desk.call("tune_hyperparameters", **asked)
    whole = desk.call("tune_hyperparameters", **asked | {"destination": "whole"})
    assert tried(found) == tried(whole)
    assert len(found.trials) == 12
    assert (found.hyperparameters, found.value, found.baseline_score) == (
        whole.hyperparameters,
        whole.value,
        whole.baseline_score,
    )


def test_a_search_that_is_told_to_end_tries_the_cut_off_trial_again(desk: Desk) -> None:
    asked = arguments(desk, "wine", "xgboost", trials=4, method="random")
    trials = 0

    def report(step: str, done: int | None = None, *_: Any, **__: Any) -> None:
        nonlocal trials
        trials += step == "trial" and done != 0
        if trials == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as caught:
        find_operation("tune_hyperparameters").call(asked, Context(storage=Storage(desk.root), report=report))
    assert caught.value.problem.reason == "tuning_interrupted"
    assert "after 2 of 4 trials" in caught.value.problem.found
    whole = desk.call("tune_hyperparameters", **asked)
    assert len(whole.trials) == 4


def test_a_trial_that_fails_is_said_and_the_search_goes_on(desk: Desk) -> None:
    space = {"learning_rate": {"choices": [0.01, 1e30]}}
    found = tune(desk, "wine", "neural_network", hyperparameters={"epochs": 5, "patience": None}, space=space, trials=6,
                 method="random")  # fmt: skip
    assert found.hyperparameters["learning_rate"] == 0.01
    assert found.failed > 0
    assert any("loss_not_finite" in (trial.error or "") for trial in found.trials)


def test_what_is_found_is_no_worse_than_what_was_given(desk: Desk) -> None:
    space = {"C": {"low": 1e-6, "high": 1e-5}}
    found = tune(desk, "wine", "logistic_regression", space=space, trials=3)
    assert found.hyperparameters == {}
    assert found.value == found.baseline_score
    assert min(trial.value for trial in found.trials if trial.value is not None) > found.value


def test_folds_are_compared_by_their_mean_which_is_that_of_the_library(desk: Desk) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = tune(desk, "wine", "logistic_regression", folds=4, trials=7, metric="log_loss")
    rows = load_wine(as_frame=True).frame.sample(frac=1, random_state=0)[:142]
    folds = StratifiedKFold(4, shuffle=True, random_state=42)

    def library(**given: Any) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(**given, random_state=42))
        scores = cross_val_score(model, rows.drop(columns="target"), rows["target"], cv=folds, scoring="neg_log_loss")
        return float(-scores.mean())

    assert found.baseline_score == pytest.approx(library())
    completed = [trial for trial in found.trials if trial.value is not None]
    assert len(completed) > 3
    assert all(trial.value == pytest.approx(library(**trial.hyperparameters)) for trial in completed)


@pytest.mark.parametrize("way", [{"folds": 4}, {}], ids=["folds", "held out"])
@pytest.mark.parametrize("plan", [{"target_encoding": ["shop"]}, {"selection": "mutual_information", "keep": 3}])
def test_rows_that_trials_are_compared_on_are_hidden_from_features_that_read_the_target(
    desk: Desk, way: dict[str, Any], plan: dict[str, Any]
) -> None:
    draw = random.Random(3)  # noqa: S311  # data, no secret
    noise = [f"x{number}" for number in range(60)] if "selection" in plan else []
    lines = [",".join(["shop", *noise, "pays"])]
    for row in range(240):
        figures = [f"{draw.random():.4f}" for _ in noise]
        lines.append(",".join([f"shop {row // 2 % 120}", *figures, draw.choice(["yes", "no"])]))
    data = desk.data("noise.csv", "\n".join(lines) + "\n")
    desk.call("feature_engineering", data=data, target="pays", destination="features", **plan)
    found = desk.call("tune_hyperparameters", data=data, target="pays", destination="tuned", task="classification",
                      algorithm="logistic_regression", preprocessor="features/preprocessor.skops", metric="roc_auc",
                      trials=2, **way)  # fmt: skip
    assert found.baseline_score < 0.65


def test_too_few_rows_for_the_folds_are_refused(desk: Desk) -> None:
    asked = {"data": desk.data("train.csv", people(12)), "target": "pays", "destination": "tuned",
             "task": "classification", "algorithm": "logistic_regression", "folds": 20}  # fmt: skip
    refusal = desk.refusal("tune_hyperparameters", **asked)
    assert (refusal.problem.reason, refusal.problem.field) == ("too_few_rows", "data")
    assert desk.files() == {}


def test_each_trial_is_reported_with_the_best_so_far(desk: Desk) -> None:
    told = []

    def report(step: str, done: int | None = None, total: int | None = None, metrics: Any = None) -> None:
        if step == "trial":
            told.append((done, total, dict(metrics)))

    asked = arguments(desk, "wine", "logistic_regression", trials=3, minutes=100)
    context = Context(storage=Storage(desk.root), report=report)
    found: Any = find_operation("tune_hyperparameters").call(asked, context)
    assert [(done, total) for done, total, _ in told] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert told[0][2]["best_log_loss"] == found.baseline_score
    assert told[-1][2]["best_log_loss"] == found.value


def test_hyperparameters_that_are_fixed_stay_so(desk: Desk) -> None:
    given = {"n_estimators": 20, "max_depth": 3}
    found = tune(desk, "wine", "random_forest", hyperparameters=given, trials=3, metric="accuracy")
    assert found.hyperparameters.items() >= given.items()
    assert all(set(trial.hyperparameters) == {"min_samples_leaf", "max_features"} for trial in found.trials)


@pytest.mark.parametrize(
    ("change", "reason", "field", "said"),
    [
        ({"space": {"lerning_rate": {"low": 0.1, "high": 1.0}}}, "unknown_hyperparameter", "hyperparameters", "learning_rate"),
        ({"space": {"max_depth": {"low": 5, "high": 2}}}, "invalid_argument", None, "low must be below high"),
        ({"space": {"max_depth": {"low": 2, "high": 5}}, "hyperparameters": {"max_depth": 3}},
         "contradictory_hyperparameters", "space", "max_depth"),
        ({"space": {"n_estimators": {"low": -5, "high": 5}}}, "hyperparameter_refused", "hyperparameters", "n_estimators"),
        ({"metric": "rmse"}, "wrong_task", "metric", "log_loss"),
        ({"algorithm": "linear_regression"}, "wrong_task", "algorithm", "xgboost"),
        ({"trials": 0}, "invalid_argument", "trials", "1"),
        ({"minutes": 0}, "invalid_argument", "minutes", "0"),
    ],
)  # fmt: skip
def test_an_impossible_search_is_refused_before_anything_is_written(
    desk: Desk, change: dict[str, Any], reason: str, field: str | None, said: str
) -> None:
    asked = {"data": desk.data("train.csv", people(60)), "target": "pays", "destination": "tuned",
             "task": "classification", "algorithm": "xgboost"}  # fmt: skip
    refusal = desk.refusal("tune_hyperparameters", **asked | change)
    assert refusal.problem.reason == reason
    assert field is None or refusal.problem.field == field
    assert said in str(refusal)
    assert desk.files() == {}
