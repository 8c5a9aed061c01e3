"""Comparing two models, without any model: which are refused, which slices got worse, and the histogram."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from actions.contracts.order import Gate
from actions.errors import InvalidInput
from actions.ml_evaluation import paired_bootstrap
from actions.ml_evaluation.paired_bootstrap import _difference, _histogram, _slices, compare


def model(target: str = "y", **scores: float | None) -> Any:
    return SimpleNamespace(signature=SimpleNamespace(task="regression", target=target, classes=None), scores=scores)


def refusal(monkeypatch: pytest.MonkeyPatch, new: Any, old: Any) -> str:
    monkeypatch.setattr(
        paired_bootstrap, "predictions_of", lambda model, _: SimpleNamespace(scores=lambda: model.scores)
    )
    with pytest.raises(InvalidInput) as refused:
        compare(new, old, pd.DataFrame(), "rmse", Gate(), [])
    return refused.value.problem.reason


def test_a_metric_must_be_defined_for_both_models(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, model(rmse=None), model(rmse=1.0)) == "metric_undefined"
    assert refusal(monkeypatch, model(rmse=1.0), model(rmse=None)) == "metric_undefined"


def test_models_of_different_targets_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(monkeypatch, model(rmse=None), model("z", rmse=None)) == "not_comparable"


def regressed(monkeypatch: pytest.MonkeyPatch, values: int, resampled: Any, old: float | None, **gate: float) -> bool:
    """Return whether the first of some slices, which are all alike, got worse."""
    monkeypatch.setattr(paired_bootstrap, "_differences", lambda *_: ({"rmse": resampled}, len(resampled)))
    new, champion = (SimpleNamespace(scores=lambda _, score=score: {"rmse": score}) for score in (1.0, old))
    frame = pd.DataFrame({"city": [f"city {row % values}" for row in range(20 * values)]})
    found = _slices(new, champion, frame, "rmse", Gate(**gate), ["city"], 0)  # type: ignore[arg-type]
    assert len(found) == values
    return found[0].regressed


def test_slices_share_the_risk_of_looking_worse_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    resampled = np.linspace(-1, 0.1, 1001)
    assert regressed(monkeypatch, 1, resampled, 0.9, alpha=0.1, margin=0)
    assert not regressed(monkeypatch, 4, resampled, 0.9, alpha=0.1, margin=0)


@pytest.mark.parametrize(
    ("difference", "old", "expected"),
    [(-0.11, 1.0, True), (-0.09, 1.0, False), (-0.05, 0.0, True), (0.05, 0.0, False), (0.0, 0.0, False), (-0.5, None, False)],
)  # fmt: skip
def test_a_slice_got_worse_if_it_did_by_more_than_the_margin(
    monkeypatch: pytest.MonkeyPatch, difference: float, old: float | None, expected: bool
) -> None:
    assert regressed(monkeypatch, 1, np.full(100, difference), old, alpha=0.1, margin=0.1) is expected


def test_each_bound_of_the_difference_has_the_risk_alpha() -> None:
    found = _difference("accuracy", 0.9, 0.88, np.linspace(0, 1, 101), 0.05)
    assert found.low == pytest.approx(0.05)
    assert found.high == pytest.approx(0.95)
    assert found.difference == pytest.approx(0.02)


def test_a_figure_that_one_model_lacks_makes_no_difference() -> None:
    for new, old in ((None, 0.9), (0.9, None)):
        found = _difference("accuracy", new, old, np.zeros(10), 0.05)
        assert (found.challenger, found.champion) == (new, old)
        assert (found.difference, found.low, found.high) == (None, None, None)


def test_the_histogram_has_forty_bins_or_one_for_a_single_value() -> None:
    counts, edges = _histogram(np.append(np.linspace(0, 0.5, 80), np.nan))
    assert (counts, len(edges)) == ([2] * 40, 41)
    assert _histogram(np.array([0.5, 0.5, np.nan]))[0] == [2]
    assert _histogram(np.array([np.nan])) == ([], [])
