"""Work orders as the App hands them to stages, for the stages that benchmarks call."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from actions.contracts.stage import Stage
from actions.tasks.exchange import WorkOrder
from benchmarks.machine import ROOT
from benchmarks.processes import plain_environment

REPOSITORY = "owner/benchmark"


def order_of(storage: Path, **request: Any) -> WorkOrder:
    """Return an order for a storage root; ``request`` says what differs from a logistic regression on iris."""
    asked: dict[str, Any] = {
        "model_name": "benchmark",
        "task": "classification",
        "algorithm": "logistic_regression",
        "data": "sklearn://iris",
        "target": "target",
        "metric": "accuracy",
        "threshold": 0.5,
    }
    return WorkOrder.model_validate(
        {
            "run": "train-20261122-001",
            "attempt": 1,
            "repository": REPOSITORY,
            "issue": 1,
            "request": asked | request,
            "storage_root": str(storage),
            "training_seed": 42,
        }
    )


def command_of(stage: Stage) -> list[str]:
    """Return the command that a runner's job calls for a stage."""
    return [sys.executable, "-m", "runners.job", stage]


def environment_of(order: WorkOrder) -> dict[str, str]:
    """Return the environment in which a stage finds its order."""
    return plain_environment(
        MODELYARD_INPUT=order.model_dump_json(), GITHUB_REPOSITORY=REPOSITORY, PYTHONPATH=str(ROOT)
    )


def starting(stage: Stage) -> list[str]:
    """Return a command that starts as a stage does, imports what it imports, and does nothing."""
    return [sys.executable, "-c", f"import runners.job; from benchmarks import orders; orders.import_for({stage!r})"]


def import_for(stage: Stage) -> None:
    """Import what a stage imports for the order in the environment, in this process, as a stage's command does."""
    gc.set_threshold(50_000)
    from actions.stages.spec import stages_of
    from actions.stages.specs import SPECS

    order = WorkOrder.model_validate_json(os.environ["MODELYARD_INPUT"])
    for module in SPECS[stage].libraries(order):
        importlib.import_module(module)
    stages_of(order)
    gc.freeze()
