"""A training that is killed, or told to end, goes on where it was and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_digits

from actions.context import Context
from actions.errors import Interrupted
from actions.ml_training import progress
from actions.models.saved_model import open_model
from actions.operation import find_operation
from actions.storage.folder import Storage
from tests.support.operating import REPOSITORY, Desk

ROOT = Path(__file__).parents[3]
ROUNDS: dict[str, dict[str, Any]] = {
    "neural_network": {"epochs": 60, "patience": 20, "dropout": 0.2},
    "xgboost": {"n_estimators": 80, "max_depth": 2, "early_stopping_rounds": 10, "learning_rate": 0.5},
}
WORD = {"neural_network": "epoch", "xgboost": "boosting round", "random_forest": "growing trees"}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def asked(desk: Desk, algorithm: str, destination: str = "out", **more: Any) -> dict[str, Any]:
    frame = load_digits(as_frame=True).frame.sample(frac=1, random_state=0)
    desk.data("train.csv", frame[:300].to_csv(index=False))
    desk.data("validation.csv", frame[300:500].to_csv(index=False))
    return {
        "data": f"{REPOSITORY}/datasets/train.csv",
        "validation": f"{REPOSITORY}/datasets/validation.csv",
        "target": "target",
        "destination": destination,
        "algorithm": algorithm,
        "hyperparameters": ROUNDS.get(algorithm, {}),
    } | more


class InterruptingReport:
    """A report that sends this process a signal in a round, and notes which rounds there were."""

    def __init__(self, word: str, at: int | None = None) -> None:
        self.word, self.at, self.rounds, self.steps = word, at, list[int](), list[str]()

    def __call__(
        self, step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
    ) -> None:
        self.steps.append(step)
        if step == self.word and done is not None:
            self.rounds.append(done)
            if self.at is not None and done >= self.at:
                os.kill(os.getpid(), signal.SIGTERM)


def train(desk: Desk, arguments: dict[str, Any], report: InterruptingReport) -> Any:
    context = Context(storage=Storage(desk.root), report=report)
    return find_operation("train_supervised_classifier").call(arguments, context)


def record(desk: Desk, folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((desk.root / folder / "training.json").read_text(encoding="utf-8"))
    return found


def files(desk: Desk, folder: str = "out") -> set[str]:
    return {path.name.split("-")[0] for path in (desk.root / folder).iterdir()}


@pytest.mark.parametrize("algorithm", ROUNDS)
def test_one_that_is_killed_resumes_and_ends_as_the_uninterrupted_one(desk: Desk, algorithm: str) -> None:
    arguments = asked(desk, algorithm)
    code = (
        "import sys; from actions.ml_training import progress; progress.SECONDS_BETWEEN_CHECKPOINTS = 0\n"
        "from actions.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "train_supervised_classifier",
        "--storage-root",
        str(desk.root),
        "--json",
        "-",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(arguments).encode())
        process.stdin.close()
        for line in process.stderr:
            if line.startswith(f"{WORD[algorithm]} 12/".encode()):
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    assert files(desk) >= {"checkpoint", "curves.json"}
    assert not files(desk) & {"model.skops", "training.json"}
    resumed, whole = InterruptingReport(WORD[algorithm]), InterruptingReport(WORD[algorithm])
    again = train(desk, arguments, resumed)
    train(desk, {**arguments, "destination": "whole"}, whole)
    assert any(step.startswith("resuming from the checkpoint after round") for step in resumed.steps)
    assert resumed.rounds[0] >= 12
    assert files(desk) == {"model.skops", "training.json"}
    found, expected = record(desk, "out"), record(desk, "whole")
    assert found["curves"]["validation"] == {
        name: pytest.approx(curve, rel=1e-4) for name, curve in expected["curves"]["validation"].items()
    }
    assert again.metrics == pytest.approx(expected["metrics"], rel=1e-4)


@pytest.mark.parametrize("algorithm", ROUNDS)
def test_one_that_is_told_to_end_leaves_a_checkpoint_and_says_so(desk: Desk, algorithm: str) -> None:
    arguments = asked(desk, algorithm)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        train(desk, arguments, InterruptingReport(WORD[algorithm], at=7))
    assert caught.value.problem.reason == "training_interrupted"
    assert f"{WORD[algorithm]} 7 of" in caught.value.problem.found
    assert files(desk) == {"checkpoint", "curves.json"}
    assert signal.getsignal(signal.SIGTERM) == before
    resumed = InterruptingReport(WORD[algorithm])
    made = train(desk, arguments, resumed)
    assert resumed.rounds[0] == 8
    curves = record(desk, "out")["curves"]
    assert len(curves["train"][next(iter(curves["train"]))]) == resumed.rounds[-1]
    assert made.metrics["validation_accuracy"] > 0.85


def test_a_forest_that_is_told_to_end_ends_and_says_that_it_begins_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actions.ml_training.algorithms.random_forest._SECONDS_PER_STEP", 0)
    with pytest.raises(Interrupted) as caught:
        train(desk, asked(desk, "random_forest"), InterruptingReport("growing trees", at=10))
    assert "kept no checkpoint" in caught.value.problem.next_step
    assert desk.files() == {}


def test_a_forest_that_grows_in_steps_is_the_forest_of_one_fit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.ensemble import RandomForestClassifier

    monkeypatch.setattr("actions.ml_training.algorithms.random_forest._SECONDS_PER_STEP", 0)
    report = InterruptingReport("growing trees")
    given = {"n_estimators": 40, "class_weight": "balanced", "oob_score": True, "max_depth": 6}
    made = train(desk, asked(desk, "random_forest", hyperparameters=given), report)
    assert report.rounds == list(range(10, 41))
    assert made.warnings == []
    desk.call("save_model", training="out", destination="out", name="forest")
    ours = open_model(desk.root / made.uri).pipeline
    frame = load_digits(as_frame=True).frame.sample(frac=1, random_state=0)[:300]
    rows = ours[0].transform(frame.drop(columns="target"))
    theirs = RandomForestClassifier(**given, random_state=42).fit(rows, frame["target"])
    assert (ours[-1].predict_proba(rows) == theirs.predict_proba(rows)).all()
    assert ours[-1].oob_score_ == theirs.oob_score_


@pytest.mark.parametrize("change", [{"hyperparameters": {"epochs": 10, "patience": None}}, {"resume": False}])
def test_a_checkpoint_of_another_training_is_not_taken_up(desk: Desk, change: dict[str, Any]) -> None:
    arguments = asked(desk, "neural_network")
    with pytest.raises(Interrupted):
        train(desk, arguments, InterruptingReport("epoch", at=7))
    anew = InterruptingReport("epoch")
    train(desk, arguments | change, anew)
    assert anew.rounds[0] == 1
    assert files(desk) == {"model.skops", "training.json"}


def test_a_stage_that_is_told_to_end_is_one_that_the_app_tries_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from actions.contracts.results import Progress
    from tests.support.stages import run_stage

    monkeypatch.setattr(progress, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    order = desk.order(algorithm="neural_network", hyperparameters={"epochs": 60, "patience": None})
    run_stage("prepare", order)
    told = InterruptingReport("epoch", at=9)
    original = progress.TrainingProgress.report_round

    def report_round(self: progress.TrainingProgress, step: str, done: int, *rest: Any) -> None:
        original(self, step, done, *rest)
        told(step, done)

    with monkeypatch.context() as patched:
        patched.setattr(progress.TrainingProgress, "report_round", report_round)
        with pytest.raises(Interrupted):
            run_stage("train", order)
    folder = desk.root / f"{REPOSITORY}/models/train-20261122-001/1"
    left = Progress.model_validate_json((folder / "progress.json").read_bytes())
    assert left.error is not None
    assert (left.error.kind, left.error.reason) == ("crash", "training_interrupted")
    assert len(list(folder.glob("checkpoint-*"))) == 1
    outcome = run_stage("train", order)
    assert not outcome.skipped
    assert not list(folder.glob("checkpoint-*"))
