"""The judge's decision on figures alone: threshold, champion, margin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actions.models.comparison import Comparison, Difference, SliceDifference
from actions.stages.judge import Judged, judged
from actions.tasks.registry import TrainingRequest
from actions.tasks.results import ChampionScores
from actions.tasks.tabular.evaluate import champion_scores
from tests.support.operating import Desk


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


@pytest.mark.parametrize(
    "unscored",
    [{"comparison": None}, {"metrics": {"accuracy": None}}, {"metrics": {}}, {"metrics": None}],
    ids=["not compared", "undefined", "another metric", "not scored"],
)
def test_a_champion_that_was_not_both_scored_and_compared_lets_no_model_follow(unscored: dict[str, Any]) -> None:
    verdict = judged(request(), {"accuracy": 0.9}, scores(0.01, 0.03, **unscored))
    assert (verdict.status, verdict.reason) == ("failed", "champion_not_comparable")
    assert "accuracy is undefined on the same rows" in verdict.explanation


def test_a_model_whose_metric_is_undefined_fails() -> None:
    verdict = judged(request(), {"accuracy": None}, None)
    assert (verdict.status, verdict.reason, verdict.value) == ("failed", "metric_undefined", None)


@pytest.mark.parametrize(("value", "status"), [(0.85, "passed"), (0.8499, "rejected")])
def test_the_first_model_of_a_name_passes_at_its_threshold(value: float, status: str) -> None:
    verdict = judged(request(), {"accuracy": value}, None)
    assert (verdict.status, verdict.champion_version, verdict.comparison) == (status, None, None)
    assert "at least 0.85" in verdict.explanation


def test_a_verdict_says_which_champion_the_model_was_compared_with_and_whether_it_knew_the_rows() -> None:
    verdict = judged(request(), {"accuracy": 0.9}, scores(0.01, 0.03, may_have_seen_rows=True))
    assert (verdict.champion_version, verdict.champion_value, verdict.champion_may_have_seen_rows) == (2, 0.88, True)


def test_people_are_shown_the_comparison_and_a_note_if_there_are_any() -> None:
    names = [
        [name for name, _ in Judged(verdict=judged(request(), {"accuracy": 0.9}, champion)).facts()]
        for champion in (None, scores(0.01, 0.03), scores(0.01, 0.03, may_have_seen_rows=True))
    ]
    assert names[0] == ["verdict", "why"]
    assert len(names[1]) > len(names[0])
    assert names[2] == [*names[1], "note"]
