"""Whether a model is no worse than the champion, from the bounds of their difference."""

from __future__ import annotations

from typing import Any

import pytest

from actions.ml_evaluation.non_inferiority import decide, explain


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.0, 0.0, "accepted"), (-0.02, 0.5, "accepted"), (-0.021, 0.5, "too_close_to_tell"),
        (-0.5, -0.02, "too_close_to_tell"), (-0.5, -0.0201, "rejected"), (None, None, "too_close_to_tell"),
        (None, -0.5, "too_close_to_tell"), (0.5, None, "too_close_to_tell"),
    ],
)  # fmt: skip
def test_the_bounds_decide(low: float | None, high: float | None, outcome: Any) -> None:
    assert decide(low, high, 0.02) == outcome


@pytest.mark.parametrize(
    ("outcome", "low", "high", "allowed", "beginning"),
    [
        ("accepted", 0.01, 0.03, 0.02, "It is better: "),
        ("accepted", 0.0, 0.03, 0.02, "It is not worse by more than 0.02: "),
        ("accepted", 0.0, 0.03, 0.0, "It is not worse at all: "),
        ("rejected", -0.5, -0.1, 0.02, "It is worse by more than 0.02: "),
        ("too_close_to_tell", -0.5, 0.1, 0.02, "30 rows are too few to tell whether it is worse by more than 0.02: "),
        ("too_close_to_tell", None, None, 0.02, "The difference in f1 cannot be estimated: "),
        ("too_close_to_tell", None, 0.1, 0.02, "The difference in f1 cannot be estimated: "),
        ("too_close_to_tell", -0.1, None, 0.02, "The difference in f1 cannot be estimated: "),
    ],
)
def test_each_decision_is_explained(
    outcome: Any, low: float | None, high: float | None, allowed: float, beginning: str
) -> None:
    assert explain(outcome, "f1", low, high, allowed, 30).startswith(beginning)
