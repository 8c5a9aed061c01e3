"""Runs and requests as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from actions.tasks.exchange import WorkOrder
from actions.tasks.registry import TrainingRequest, parse_request
from actions.tasks.tabular.request import TabularRequest
from bot.github import Job
from bot.runs.run import Run

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def a_request(**changes: Any) -> TrainingRequest:
    """Return a request that is right, with some fields changed."""
    fields: dict[str, Any] = {
        "model_name": "breast-cancer",
        "task": "classification",
        "algorithm": "random_forest",
        "data": "sklearn://breast_cancer",
        "target": "target",
        "metric": "accuracy",
        "threshold": 0.9,
    }
    return parse_request({**fields, **changes})


def a_run(**changes: Any) -> Run:
    """Return a run; fields of the request are taken as well."""
    of_request = {name: changes.pop(name) for name in list(changes) if name in TabularRequest.model_fields}
    fields: dict[str, Any] = {
        "id": "train-20261122-001",
        "repository": "owner/demo",
        "installation": 1,
        "issue": 1,
        "requester": "writer",
        "request": a_request(**of_request),
        "created": NOON,
        "entered": NOON,
        "due": NOON,
    }
    return Run(**{**fields, **changes})


def an_order(run: Run) -> WorkOrder:
    """Return the work order of a run's present attempt."""
    return WorkOrder(
        run=run.id,
        attempt=run.attempt,
        repository=run.repository,
        issue=run.issue,
        request=run.request,
        training_seed=run.training_seed,
        storage_root="/storage",
    )


def a_job(**changes: Any) -> Job:
    fields: dict[str, Any] = {
        "id": 1, "name": "train", "full_name": "train / train", "status": "in_progress", "conclusion": None,
        "started_at": NOON, "completed_at": None, "html_url": "", "steps": (),
    }  # fmt: skip
    return Job(**{**fields, **changes})
