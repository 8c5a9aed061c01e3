"""What a run's publish stage would have published, as JSON values."""

from __future__ import annotations

from typing import Any

from actions.contracts.supervised import METRICS
from actions.tasks.exchange import WorkOrder


def a_result(
    order: WorkOrder,
    value: float = 0.95,
    status: str | None = None,
    plots: tuple[str, ...] = ("roc_curve.png",),
    git_sha: str = "c" * 40,
) -> Any:
    """Return the content of result.json for an attempt whose metric came to ``value``."""
    request = order.request
    meets = METRICS[request.metric].meets(value, request.threshold)
    return {
        "run": order.run,
        "attempt": order.attempt,
        "repository": order.repository,
        "issue": order.issue,
        "model_name": request.model_name,
        "request": request.model_dump(mode="json"),
        "training_seed": order.training_seed,
        "git_sha": git_sha,
        "modelyard_sha": "d" * 40,
        "data": {
            "uri": request.data_uris[0], "sha256": "e" * 64, "rows": 569, "columns": 31,
            "train_rows": 341, "validation_rows": 114, "test_rows": 114,
        },
        "model": {
            "uri": f"{order.repository}/models/{order.run}/{order.attempt}/model.skops", "sha256": "f" * 64, "size_bytes": 4,
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
