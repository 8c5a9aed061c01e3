"""What is said of a training while it runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from actions.contracts.results import Progress
from actions.ml_training.progress import TrainingProgress
from actions.stages import records
from tests.support.operating import REPOSITORY, RUN, Desk
from tests.support.stages import run_stage


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("algorithm", "given", "step", "loss"),
    [
        ("neural_network", {"epochs": 12, "patience": None}, "epoch", "log_loss"),
        ("xgboost", {"n_estimators": 12}, "boosting round", "mlogloss"),
        ("random_forest", {"n_estimators": 24}, "growing trees", None),
    ],
)
def test_a_running_stage_tells_its_losses_throughput_and_how_much_longer_it_takes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, algorithm: str, given: dict[str, Any], step: str, loss: str | None
) -> None:
    monkeypatch.setattr(records, "_MIN_SECONDS_BETWEEN_WRITES", 0)
    monkeypatch.setattr("actions.ml_training.progress._SECONDS_BETWEEN_CURVES", 0)
    monkeypatch.setattr("actions.ml_training.algorithms.random_forest._SECONDS_PER_STEP", 0)
    order = desk.order(algorithm=algorithm, hyperparameters=given)
    run_stage("prepare", order)
    seen: list[Any] = []
    original = TrainingProgress.report_round

    def report_round(self: TrainingProgress, *facts: Any) -> None:
        original(self, *facts)
        time.sleep(0.02)
        seen.append(desk.call("get_training_metrics", repository=REPOSITORY, run=RUN))

    monkeypatch.setattr(TrainingProgress, "report_round", report_round)
    run_stage("train", order)
    total = seen[-1].total
    assert {(one.state, one.step, one.total) for one in seen} == {("running", step, total)}
    assert [one.done for one in seen] == list(range(seen[0].done, total + 1))
    assert seen[0].eta_seconds is None
    middle = seen[len(seen) // 2]
    assert 0.02 * (total - middle.done) * 0.9 < middle.eta_seconds < 60
    assert seen[-1].eta_seconds == 0
    assert middle.rows_per_second > 0
    if loss is not None:
        curve = middle.curves["validation"][loss]
        assert len(curve) == middle.done
        assert middle.metrics[f"validation_{loss}"] == curve[-1]
    final = desk.call("get_training_metrics", repository=REPOSITORY, run=RUN)
    assert (final.state, final.eta_seconds) == ("finished", None)


def test_progress_of_an_earlier_version_is_read_still() -> None:
    text = json.dumps({"stage": "train", "step": "fitting", "updated": "2026-11-22T12:00:00Z"})
    assert Progress.model_validate_json(text).eta_seconds is None
