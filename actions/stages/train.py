"""The stage train: has the task's model trained, where the backend says."""

from __future__ import annotations

from typing import Any

from actions.stages.backend import TrainingJob
from actions.stages.prepare import PREPARE
from actions.stages.spec import Attempt, StageSpec, stages_of
from actions.tasks.results import Trained


def _inputs(attempt: Attempt) -> dict[str, Any]:
    request = attempt.order.request
    return {
        "files": PREPARE.read(attempt).outputs(),
        "seed": attempt.order.training_seed,
        "model_name": request.model_name,
        **attempt.task.train_inputs(request),
    }


def _run(attempt: Attempt) -> Trained:
    task, data, work = attempt.task, PREPARE.read(attempt), TRAIN.work(attempt)
    job = TrainingJob[Trained](attempt.order, lambda: task.train(work, data), task.trained, attempt.context.report)
    return attempt.backend.train(job)


TRAIN = StageSpec[Trained](
    name="train",
    area="models",
    inputs=_inputs,
    result=lambda order: stages_of(order).trained,
    run=_run,
    libraries=lambda order: stages_of(order).libraries_for("train", order.request),
    removes_files=True,
)
