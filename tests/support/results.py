"""What a run's publish stage would have published, as JSON values."""

from __future__ import annotations

import hashlib
from typing import Any

from actions.contracts.supervised import METRICS
from actions.tasks.exchange import WorkOrder

MODEL_BYTES = b"true"
MODEL_SHA256 = hashlib.sha256(MODEL_BYTES).hexdigest()
"""The content and digest of the model file that ``a_result`` names."""
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b"
    "550000000a4944415478da6360000000020001e527defc0000000049454e44ae"
    "426082"
)
"""One grey pixel."""


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
        "champion_metrics": {request.metric: value} if order.champion else None,
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
            "uri": f"{order.repository}/models/{order.run}/{order.attempt}/model.skops",
            "sha256": MODEL_SHA256, "size_bytes": len(MODEL_BYTES),
        },
        "metrics": {request.metric: value},
        "verdict": {
            "status": status or ("passed" if meets else "rejected"),
            "reason": "threshold_met" if meets else "below_threshold",
            "explanation": f"{request.metric} is {value}.",
            "metric": request.metric,
            "value": value,
            "threshold": request.threshold,
            **_compared(order, value),
        },
        "environment": {"python": "3.11.7", "platform": "Linux", "lock_sha256": None, "packages": {}},
        "durations": {"prepare": 1.0},
        "plots": list(plots),
    }  # fmt: skip


def _compared(order: WorkOrder, value: float) -> dict[str, Any]:
    """Return the verdict's comparison with a champion that is exactly as good, if there is one."""
    if order.champion is None:
        return {}
    allowed = order.gate.allowed(METRICS[order.request.metric], value)
    comparison = {
        "outcome": "accepted", "alpha": order.gate.alpha, "margin": order.gate.margin, "allowed": allowed,
        "difference": 0.0, "low": -allowed / 2, "high": allowed / 2, "rows": 114, "resamples": 2_000,
    }  # fmt: skip
    return {"champion_version": order.champion.version, "champion_value": value, "comparison": comparison}
