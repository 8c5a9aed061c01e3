"""The stages judge a model against threshold and champion, each verdict shown by data whose size and seed decide it."""

from __future__ import annotations

from typing import Any

import pytest

from actions.contracts.order import Gate
from actions.contracts.results import Verdict
from actions.tasks.exchange import WorkOrder
from tests.support.operating import REPOSITORY, Desk
from tests.support.stages import run_stage

CHAMPION_RUN = "train-20261121-001"
CANCER: dict[str, Any] = {"data": "sklearn://breast_cancer", "metric": "accuracy", "threshold": 0.6}
STUMP: dict[str, Any] = {"algorithm": "xgboost", "hyperparameters": {"n_estimators": 1, "max_depth": 1}}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def champion(desk: Desk) -> dict[str, Any]:
    """A logistic regression of breast cancer, as the registry names it."""
    order = desk.order(run=CHAMPION_RUN, **CANCER)
    data = run_stage("prepare", order).record.result["data"]
    model = run_stage("train", order).record.result["model"]
    return {
        "version": 4, "run": CHAMPION_RUN, "uri": model["uri"], "sha256": model["sha256"], "data_sha256": data["sha256"],
    }  # fmt: skip


def verdict_of(order: WorkOrder) -> Verdict:
    for stage in ("prepare", "train", "evaluate"):
        run_stage(stage, order)
    return Verdict.model_validate(run_stage("judge", order).record.result["verdict"])


@pytest.mark.parametrize(
    ("number", "asked", "status", "reason", "outcome"),
    [
        (1, {"hyperparameters": {"C": 5}}, "passed", "threshold_met", "accepted"),
        (2, STUMP, "rejected", "worse_than_champion", "rejected"),
        (
            3, {"algorithm": "random_forest", "hyperparameters": {"n_estimators": 30}},
            "rejected", "too_close_to_tell", "too_close_to_tell",
        ),
    ],
    ids=["accepted", "rejected", "too close to tell"],
)  # fmt: skip
def test_breast_cancer_shows_each_verdict(
    desk: Desk, champion: dict[str, Any], number: int, asked: dict[str, Any], status: str, reason: str, outcome: str
) -> None:
    verdict = verdict_of(desk.order(run=f"train-20261122-00{number}", champion=champion, **CANCER, **asked))
    assert (verdict.status, verdict.reason) == (status, reason)
    found = verdict.comparison
    assert found is not None
    assert (found.outcome, found.alpha, found.margin) == (outcome, 0.05, 0.02)
    assert verdict.value is not None
    assert verdict.champion_value is not None
    assert found.difference == pytest.approx(verdict.value - verdict.champion_value)
    assert "version 4" in verdict.explanation
    plot = desk.root / f"{REPOSITORY}/evaluations/train-20261122-00{number}/1/plots/comparison.png"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_first_model_of_a_name_meets_the_threshold_alone(desk: Desk) -> None:
    verdict = verdict_of(desk.order(run="train-20261122-005", **CANCER, **STUMP))
    assert (verdict.status, verdict.reason, verdict.comparison) == ("passed", "threshold_met", None)


def test_another_margin_judges_anew(desk: Desk, champion: dict[str, Any]) -> None:
    order = desk.order(run="train-20261122-006", champion=champion, **CANCER, **STUMP)
    assert verdict_of(order).status == "rejected"
    lax = order.model_copy(update={"gate": Gate(margin=0.4)})
    verdict = verdict_of(lax)
    assert (verdict.status, verdict.comparison and verdict.comparison.allowed) == ("passed", 0.4)


def test_a_jobs_summary_has_the_comparison(desk: Desk, champion: dict[str, Any]) -> None:
    order = desk.order(run="train-20261122-007", champion=champion, **CANCER, **STUMP)
    verdict_of(order)
    text = run_stage("judge", order).summary_markdown()
    assert "| against the champion | rejected |" in text
    assert "alpha 0.05, 113 rows" in text
