"""The stages of a run: prepare, train, evaluate, judge, publish; on a runner, each is a process of its own.

They hand over through the storage root. A stage whose inputs and code have not changed is skipped.
"""

from __future__ import annotations

from actions.stages.running import (
    RunOutcome,
    StageOutcome,
    evaluate,
    judge,
    prepare,
    publish,
    run_stage,
    run_stages,
    train,
)

__all__ = [
    "RunOutcome",
    "StageOutcome",
    "evaluate",
    "judge",
    "prepare",
    "publish",
    "run_stage",
    "run_stages",
    "train",
]
