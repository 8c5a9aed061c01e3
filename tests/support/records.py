"""A finished run's record, real in every field."""

from __future__ import annotations

from typing import Any

from actions.history_management.record import RunRecord

RUN = "train-20261122-001"


def request(**changes: Any) -> dict[str, Any]:
    return {
        "model_name": "breast-cancer",
        "task": "classification",
        "algorithm": "xgboost",
        "data": "sklearn://breast_cancer",
        "target": "target",
        "metric": "roc_auc",
        "threshold": 0.95,
        "hyperparameters": {"n_estimators": 200},
        **changes,
    }


def result(run: str = RUN, **changes: Any) -> dict[str, Any]:
    model_name = changes.get("model_name", "breast-cancer")
    return {
        "run": run,
        "attempt": 1,
        "repository": "owner/project",
        "issue": 1,
        "model_name": model_name,
        "request": request(model_name=model_name),
        "training_seed": 42,
        "git_sha": "a" * 40,
        "modelyard_sha": "b" * 40,
        "data": {
            "uri": "sklearn://breast_cancer",
            "sha256": "c" * 64,
            "rows": 569,
            "columns": 31,
            "train_rows": 398,
            "validation_rows": 57,
            "test_rows": 114,
        },
        "model": {"uri": f"owner/project/models/{run}/1/model.skops", "sha256": "d" * 64, "size_bytes": 123_456},
        "metrics": {"roc_auc": 0.9912345678, "accuracy": 0.9649, "log_loss": 0.1},
        "champion_metrics": {"roc_auc": 0.9812, "accuracy": 0.9649, "log_loss": 0.08},
        "verdict": {
            "status": "passed",
            "reason": "threshold_met",
            "explanation": "roc_auc 0.991235 is at or above 0.95.",
            "metric": "roc_auc",
            "value": 0.9912345678,
            "threshold": 0.95,
            "champion_value": 0.9812,
            "champion_version": 3,
            "champion_may_have_seen_rows": True,
        },
        "environment": {
            "python": "3.11.7",
            "platform": "Linux-x86_64",
            "lock_sha256": "e" * 64,
            "packages": {"scikit-learn": "1.9.1", "xgboost": "3.2.0"},
        },
        "durations": {"prepare": 1.25, "train": 75.0, "evaluate": 2.5},
        "plots": ["roc_curve.png", "confusion_matrix.png"],
        **changes,
    }


def record(run: str = RUN, **changes: Any) -> RunRecord:
    values: dict[str, Any] = {
        "run": run,
        "attempts_allowed": 3,
        "repository": "owner/project",
        "issue": 1,
        "requester": "writer",
        "request": request(),
        "status": "passed",
        "created": "2026-11-22T10:00:00Z",
        "finished": "2026-11-22T10:02:05Z",
        "result": result(run),
        "stays": [{"state": "PrepareData", "seconds": 3.2}, {"state": "TrainModel", "seconds": 80}],
        "links": {
            "issue": "https://github.example/owner/project/issues/1",
            "workflow_runs": ["https://github.example/owner/project/actions/runs/7"],
        },
        **changes,
    }
    return RunRecord.model_validate(values)
