"""The judge: threshold and non-inferiority to the champion, each verdict shown by data whose size and seed decide it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actions.contracts.order import Gate
from actions.contracts.results import Verdict
from actions.models.comparison import Comparison, Difference, SliceDifference
from actions.stages.judge import judged
from actions.tasks.exchange import WorkOrder
from actions.tasks.registry import TrainingRequest
from actions.tasks.results import ChampionScores
from actions.tasks.tabular.evaluate import champion_scores
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
    assert found.is_accepted is (status == "passed")
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


# --- the decision on figures alone -------------------------------------------------------------------------------------


def scores(low: float, high: float, *regressed: str, **changes: Any) -> ChampionScores:
    one = Difference(challenger=0.9, champion=0.88, difference=0.02, low=low, high=high)
    slices = [
        SliceDifference(**one.model_dump() | {"difference": -0.2}, column="city", value=value, rows=9, regressed=True)
        for value in regressed
    ]
    accepted = low >= -0.02
    comparison = Comparison(
        task="classification", target="y", rows=114, challenger_sha256="0" * 64, champion_sha256="1" * 64,
        metric="accuracy", alpha=0.05, margin=0.02, allowed=0.02, resamples=2_000,
        verdict="accepted" if accepted else "too_close_to_tell", reason="not_worse", explanation="It is so.",
        compared=one, metrics={"accuracy": one}, slices=slices, histogram=[2_000], histogram_edges=[0.0, 0.1],
    )  # fmt: skip
    return champion_scores(2, {"accuracy": 0.88}, comparison).model_copy(update=changes)


def request(threshold: float = 0.85) -> TrainingRequest:
    return Desk(Path("nowhere")).order(threshold=threshold).request


def test_a_better_model_below_the_threshold_is_rejected_and_its_comparison_kept() -> None:
    verdict = judged(request(0.95), {"accuracy": 0.9}, scores(0.01, 0.03))
    assert (verdict.status, verdict.reason) == ("rejected", "below_threshold")
    assert verdict.comparison is not None


def test_slices_that_got_worse_are_named_and_reject_nothing_by_themselves() -> None:
    verdict = judged(request(), {"accuracy": 0.9}, scores(0.01, 0.03, "Oslo", "Bern"))
    assert verdict.status == "passed"
    assert "worse on 2 of 2 slices" in verdict.explanation
    assert verdict.comparison is not None
    assert [one.value for one in verdict.comparison.regressions] == ["Oslo", "Bern"]


def test_what_is_kept_of_slices_is_bounded_and_holds_no_secret() -> None:
    token = "ghp_" + "a1B2" * 9
    verdict = judged(request(), {"accuracy": 0.9}, scores(0.01, 0.03, token, *["x" * 300] * 30))
    assert verdict.comparison is not None
    kept = verdict.comparison.regressions
    assert len(kept) == 10
    assert token not in verdict.model_dump_json()
    assert max(len(one.value) for one in kept) <= 100


def test_a_higher_figure_that_may_be_chance_does_not_pass() -> None:
    verdict = judged(request(), {"accuracy": 0.9}, scores(-0.03, 0.07))
    assert (verdict.status, verdict.reason) == ("rejected", "too_close_to_tell")


def test_without_a_comparison_no_model_follows_a_champion() -> None:
    verdict = judged(
        request(), {"accuracy": 0.9}, scores(0, 0, comparison=None, metrics=None, not_comparable="It is lost")
    )
    assert (verdict.status, verdict.reason) == ("failed", "champion_not_comparable")
    assert "It is lost" in verdict.explanation
