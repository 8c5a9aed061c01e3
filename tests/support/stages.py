"""Stages as a job on this machine runs them."""

from __future__ import annotations

from actions.contracts.stage import Stage
from actions.stages import runner
from actions.stages.runner import StageOutcome
from actions.tasks.exchange import WorkOrder
from runners.backends.local import LocalBackend


def run_stage(name: Stage, order: WorkOrder) -> StageOutcome:
    """Run a stage, training in this process."""
    return runner.run_stage(name, order, LocalBackend())
