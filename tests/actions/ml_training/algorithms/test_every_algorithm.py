"""What every algorithm of the registry must do; a new one is tested here without a change."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine

from actions.context import Context
from actions.errors import Interrupted
from actions.ml_training.algorithm import Algorithm
from actions.ml_training.hyperparameters import RESERVED, check_hyperparameters, checked_search_space, rehearse
from actions.ml_training.registry import every_algorithm
from actions.models.saved_model import Model, open_model
from actions.operation import find_operation
from actions.storage.folder import Storage
from bot.events.commands import COMMANDS
from bot.parsing.command import parse_command
from tests.support.operating import Desk, people

ROOT = Path(__file__).parents[4]
KINDS = {"classification": "classifier", "regression": "regressor"}


def with_each_task(condition: Callable[[Algorithm], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Run a test with every algorithm that meets a condition, once per task."""
    cases = [(algorithm, task) for algorithm in every_algorithm() if condition(algorithm) for task in algorithm.tasks]
    return pytest.mark.parametrize(
        ("algorithm", "task"), cases, ids=[f"{algorithm.name}-{task}" for algorithm, task in cases]
    )


def with_each(condition: Callable[[Algorithm], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Run a test with every algorithm that meets a condition."""
    cases = [algorithm for algorithm in every_algorithm() if condition(algorithm)]
    return pytest.mark.parametrize("algorithm", cases, ids=[algorithm.name for algorithm in cases])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def frame_of(task: str) -> pd.DataFrame:
    dataset = load_wine(as_frame=True) if task == "classification" else load_diabetes(as_frame=True)
    shuffled: pd.DataFrame = dataset.frame.sample(frac=1, random_state=0)
    if task == "classification":
        shuffled["target"] = shuffled["target"].map({0: "red", 1: "white", 2: "rosé"})
    return shuffled


def train(desk: Desk, algorithm: Algorithm, task: str, destination: str, **more: Any) -> Any:
    report = more.pop("report", None)
    frame = frame_of(task)
    rounds = {algorithm.rounds: 30} if algorithm.rounds else {}
    arguments = {
        "data": desk.data("train.csv", frame[:120].to_csv(index=False)),
        "validation": desk.data("validation.csv", frame[120:].to_csv(index=False)),
        "target": "target",
        "destination": destination,
        "algorithm": algorithm.name,
        "hyperparameters": rounds,
    } | more
    context = Context(storage=Storage(desk.root), **({"report": report} if report else {}))
    return find_operation(f"train_supervised_{KINDS[task]}").call(arguments, context)


def opened(desk: Desk, destination: str) -> Model:
    desk.call("save_model", training=destination, destination=destination, name="model")
    return open_model(desk.root / destination / "model.skops")


def answers(model: Model, task: str) -> Any:
    rows = frame_of(task).drop(columns="target")
    return model.probabilities(rows) if task == "classification" else model.predict(rows)


@with_each_task()
def test_the_same_seed_gives_the_same_model_which_opens_with_its_trusted_types(
    desk: Desk, algorithm: Algorithm, task: str
) -> None:
    first = train(desk, algorithm, task, "first")
    train(desk, algorithm, task, "second")
    model = opened(desk, "first")
    assert np.array_equal(answers(model, task), answers(opened(desk, "second"), task))
    metric = "validation_accuracy" if task == "classification" else "validation_r2"
    assert first.metrics[metric] > (0.9 if task == "classification" else 0.3)
    if task == "classification":
        assert set(model.predict(frame_of(task).drop(columns="target"))) == {"red", "white", "rosé"}


@with_each_task(lambda algorithm: algorithm.reports_losses)
def test_losses_of_both_parts_are_recorded_for_each_round(desk: Desk, algorithm: Algorithm, task: str) -> None:
    train(desk, algorithm, task, "out")
    curves = json.loads((desk.root / "out" / "training.json").read_text(encoding="utf-8"))["curves"]
    assert set(curves) == {"train", "validation"}
    for losses in curves.values():
        (curve,) = losses.values()
        assert len(curve) <= 30
        assert curve[-1] < curve[0]


class InterruptingReport:
    """Sends this process SIGTERM after the first round from the seventh on; records the steps."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.first_round: int | None = None
        self.interrupts = True

    def __call__(
        self, step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
    ) -> None:
        self.steps.append(step)
        if done is None or total is None:
            return
        self.first_round = self.first_round or done
        if self.interrupts and 7 <= done < total:
            self.interrupts = False
            os.kill(os.getpid(), signal.SIGTERM)


@with_each_task(lambda algorithm: algorithm.can_be_interrupted)
def test_an_interrupted_training_resumes_to_the_same_model_or_says_that_it_starts_again(
    desk: Desk, algorithm: Algorithm, task: str
) -> None:
    with pytest.raises(Interrupted) as caught:
        train(desk, algorithm, task, "out", report=InterruptingReport())
    kept = [path.name for path in (desk.root / "out").glob("checkpoint-*")]
    assert bool(kept) == algorithm.keeps_checkpoints
    assert ("resumes from the checkpoint" in caught.value.problem.next_step) == algorithm.keeps_checkpoints
    resumed = InterruptingReport()
    resumed.interrupts = False
    train(desk, algorithm, task, "out", report=resumed)
    if algorithm.keeps_checkpoints:
        assert any(step.startswith("resuming from the checkpoint after round") for step in resumed.steps)
        assert resumed.first_round is not None
        assert resumed.first_round > 7
    train(desk, algorithm, task, "whole")
    assert answers(opened(desk, "out"), task) == pytest.approx(answers(opened(desk, "whole"), task), rel=1e-4)
    assert not list((desk.root / "out").glob("checkpoint-*"))


@with_each(lambda algorithm: "classification" in algorithm.tasks)
def test_class_weights_favour_the_rare_class(desk: Desk, algorithm: Algorithm) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=400), "z": rng.normal(size=400)})
    frame["target"] = np.where(frame["x"] + rng.normal(size=400) > 2, "rare", "frequent")
    data = desk.data("rare.csv", frame.to_csv(index=False))
    shares = {}
    for weight in (None, "balanced"):
        given = {"class_weight": weight, **({algorithm.rounds: 20} if algorithm.rounds else {})}
        train(desk, algorithm, "classification", f"{weight}", data=data, validation=None, hyperparameters=given)
        model = opened(desk, f"{weight}")
        column = list(model.signature.classes or []).index("rare")
        shares[weight] = model.probabilities(frame.drop(columns="target"))[:, column].mean()
    assert shares["balanced"] > 1.2 * shares[None]


@with_each_task()
def test_the_search_space_is_valid_and_its_ends_can_be_rehearsed(algorithm: Algorithm, task: str) -> None:
    space = checked_search_space(task, algorithm.name, None, {})
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4)).astype(algorithm.layout.dtype)
    target = (
        np.array(["a", "b"])[(rows[:, 0] > 0).astype(int)] if task == "classification" else rows[:, 0].astype(float)
    )
    given = {
        name: searched.low if hasattr(searched, "low") else searched.choices[0] for name, searched in space.items()
    }
    rehearse(task, algorithm.name, given, rows, target)


@with_each()
def test_reserved_names_are_refused_and_aliases_lead_to_known_names(desk: Desk, algorithm: Algorithm) -> None:
    task = algorithm.tasks[0]
    data = desk.data("train.csv", people(60))
    arguments = {"data": data, "target": "pays", "destination": "out", "algorithm": algorithm.name}
    operation = f"train_supervised_{KINDS[task]}"
    target = {"target": "age"} if task == "regression" else {}
    for name in {**RESERVED, **algorithm.reserved}:
        refusal = desk.refusal(operation, **arguments | target, hyperparameters={name: 1})
        assert refusal.problem.reason == "reserved_hyperparameter"
    for alias, name in algorithm.aliases.items():
        refusal = desk.refusal(operation, **arguments | target, hyperparameters={alias: 1})
        assert refusal.problem.reason == "unknown_hyperparameter"
        assert f"Did you mean {name}?" in refusal.problem.next_step


@with_each(lambda algorithm: algorithm.early_stopping is not None)
def test_early_stopping_needs_validation_rows_and_fewer_rounds_than_there_are(desk: Desk, algorithm: Algorithm) -> None:
    refusal = desk.refusal(
        "train_supervised_classifier", data=desk.data("train.csv", people(60)), target="pays", destination="out",
        algorithm=algorithm.name, hyperparameters={algorithm.early_stopping or "": 5},
    )  # fmt: skip
    assert refusal.problem.reason == "no_validation_rows"
    refusal = desk.refusal(
        "train_supervised_classifier", data=desk.data("train.csv", people(60)), target="pays", destination="out",
        algorithm=algorithm.name, hyperparameters={algorithm.early_stopping or "": 5, algorithm.rounds or "": 5},
    )  # fmt: skip
    assert refusal.problem.reason == "contradictory_hyperparameters"


@with_each_task()
def test_the_example_for_a_rejected_model_is_a_valid_override(algorithm: Algorithm, task: str) -> None:
    command = parse_command(f"/approve {algorithm.example_override} because it may help", COMMANDS)
    check_hyperparameters(task, algorithm.name, command.overrides)  # type: ignore[union-attr]
    assert command.overrides  # type: ignore[union-attr]


@with_each()
def test_its_file_is_named_after_it_and_is_cheap_to_import(algorithm: Algorithm) -> None:
    module = f"actions.ml_training.algorithms.{algorithm.name}"
    code = f"import sys, {module}; print({{'numpy', *{list(algorithm.modules)}}} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "set()"


@with_each()
def test_its_lock_and_extra_name_its_packages(algorithm: Algorithm) -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(need.startswith(package) for need in extras[algorithm.extra] for package in algorithm.packages)
    lock = (ROOT / "requirements" / f"{algorithm.layer or 'runner'}.txt").read_text(encoding="utf-8")
    assert any(line.startswith(f"{package}==") for line in lock.splitlines() for package in algorithm.packages)
