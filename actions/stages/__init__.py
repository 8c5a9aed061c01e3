"""The stages of a run: prepare, train, evaluate, judge, publish; each a process of its own.

They hand over through the storage root. A stage whose inputs and code have not changed is skipped.
"""

from __future__ import annotations

from actions.stages.running import StageOutcome, evaluate, judge, prepare, publish, run_stage, train

__all__ = ["StageOutcome", "evaluate", "judge", "prepare", "publish", "run_stage", "train"]
