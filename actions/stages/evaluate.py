"""The stage evaluate: scores the model on data that it was not trained on, and the champion with it."""

from __future__ import annotations

from typing import Any

from actions.stages.prepare import PREPARE
from actions.stages.spec import Attempt, StageSpec, stages_of
from actions.stages.train import TRAIN
from actions.tasks.results import Evaluated


def _inputs(attempt: Attempt) -> dict[str, Any]:
    order = attempt.order
    return {
        "data": PREPARE.read(attempt).outputs(),
        "model": TRAIN.read(attempt).outputs(),
        "champion": order.champion.model_dump(mode="json") if order.champion else None,
        "compared_by": {"metric": order.request.metric, **order.gate.model_dump()} if order.champion else None,
    }


def _run(attempt: Attempt) -> Evaluated:
    work, data, model = EVALUATE.work(attempt), PREPARE.read(attempt), TRAIN.read(attempt)
    evaluated: Evaluated = attempt.task.evaluate(work, data, model)
    return evaluated


EVALUATE = StageSpec[Evaluated](
    name="evaluate",
    area="evaluations",
    inputs=_inputs,
    result=lambda order: stages_of(order).evaluated,
    run=_run,
    libraries=lambda order: stages_of(order).libraries_for("evaluate", order.request),
)
