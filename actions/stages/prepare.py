"""The stage prepare: turns the data into what the task trains and tests on."""

from __future__ import annotations

from typing import Any

from actions.stages.spec import Attempt, StageSpec, stages_of
from actions.tasks.results import Prepared


def _lookup(attempt: Attempt) -> dict[str, Any]:
    return attempt.task.data_inputs(attempt.order.request)


def _inputs(attempt: Attempt) -> dict[str, Any]:
    return {**_lookup(attempt), **attempt.task.prepare_inputs(PREPARE.work(attempt))}


def _run(attempt: Attempt) -> Prepared:
    prepared: Prepared = attempt.task.prepare(PREPARE.work(attempt))
    return prepared


PREPARE = StageSpec[Prepared](
    name="prepare",
    area="processed",
    inputs=_inputs,
    lookup=_lookup,
    result=lambda order: stages_of(order).prepared,
    run=_run,
    libraries=lambda order: stages_of(order).libraries_for("prepare", order.request),
    removes_files=True,
)
