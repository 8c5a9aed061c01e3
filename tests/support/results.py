"""What a run's publish stage would have published, as JSON values."""

from __future__ import annotations

from typing import Any

from actions.request import METRICS
from bot.pipeline import Run


def a_result(
    run: Run,
    value: float = 0.95,
    status: str | None = None,
    plots: tuple[str, ...] = ("roc_curve.png",),
    git_sha: str = "c" * 40,
) -> Any:
    """Return the content of result.json for a run whose metric came to ``value``."""
    request = run.request
    meets = METRICS[request.metric].meets(value, request.threshold)
    return {
        "run": run.id,
        "attempt": run.attempt,
        "repository": run.repository,
        "issue": run.issue,
        "model_name": run.model,
        "request": request.model_dump(mode="json"),
        "training_seed": request.seed + run.attempt - 1,
        "git_sha": git_sha,
        "modelyard_sha": "d" * 40,
        "data": {
            "uri": request.data, "sha256": "e" * 64, "rows": 569, "columns": 31,
            "train_rows": 341, "validation_rows": 114, "test_rows": 114,
        },
        "model": {
            "uri": f"{run.repository}/models/{run.id}/{run.attempt}/model.skops", "sha256": "f" * 64, "size_bytes": 4,
        },
        "metrics": {request.metric: value},
        "verdict": {
            "status": status or ("passed" if meets else "rejected"),
            "reason": "threshold_met" if meets else "below_threshold",
            "explanation": f"{request.metric} is {value}.",
            "metric": request.metric,
            "value": value,
            "threshold": request.threshold,
        },
        "environment": {"python": "3.11.7", "platform": "Linux", "lock_sha256": None, "packages": {}},
        "durations": {"prepare": 1.0},
        "plots": list(plots),
    }  # fmt: skip
