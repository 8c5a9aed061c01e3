"""The gate, for real: a champion, then challengers of which the judge can say each of the three things."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.support.real_loop import RealLoop

CHALLENGERS = [
    ("xgboost", "n_estimators: 1\nmax_depth: 1", "failed", "worse_than_champion", "rejected"),
    ("random_forest", "n_estimators: 30", "failed", "too_close_to_tell", "too_close_to_tell"),
    ("logistic_regression", "C: 5", "passed", "threshold_met", "accepted"),
]
"""What each is asked for with, and what it comes to: test_gate.py tells the same of the stages."""
PATIENCE = 900


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE + 60)
def test_challengers_are_accepted_rejected_and_too_close_to_tell(real: RealLoop, model: str) -> None:
    asked: dict[str, Any] = {"model_name": model, "threshold": "0.6"}
    real.until_closed(real.open(**asked, algorithm="logistic_regression"), "mlops:passed", PATIENCE)
    # Runs of one model wait for each other, so each finds the first one's model in production.
    issues = [real.open(**asked, algorithm=name, hyperparameters=given) for name, given, *_ in CHALLENGERS]
    for issue, (_, _, label, reason, outcome) in zip(issues, CHALLENGERS, strict=True):
        run = real.until_closed(issue, f"mlops:{label}", PATIENCE)
        verdict = real.history(run)["result"]["verdict"]
        assert (verdict["reason"], verdict["champion_version"]) == (reason, 1)
        compared = verdict["comparison"]
        assert (compared["outcome"], compared["alpha"], compared["margin"]) == (outcome, 0.05, 0.02)
        assert compared["rows"] == 113
        allowed, low, high = compared["allowed"], compared["low"], compared["high"]
        assert {"accepted": low >= -allowed, "rejected": high < -allowed}.get(outcome, low < -allowed <= high)
        assert f"{run}/comparison.png" in real.comment(issue)
    registry = yaml.safe_load(real.text(f"training_history/models/{model}.yaml"))
    assert registry["aliases"] == {"candidate": 2, "champion": 2, "previous": 1}
