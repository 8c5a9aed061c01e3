"""The issues to open: several kinds, each with what its jobs do, what people answer, and how it must end."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from actions.tasks.exchange import WorkOrder
from actions.tasks.registry import TrainingRequest
from runners.local.act.interface import Work
from runners.local.act.workflow_plan import PlannedJob
from tests.chaos.faults import OddFiles
from tests.support.results import MODEL_BYTES, PNG, a_result
from tests.support.runs import a_request
from tests.support.scripted_runs import AREA, Script, ScriptedExecutor, area, publishes, writes

GOOD, BAD = 0.95, 0.5
NOT_FINITE = (math.nan, math.inf, -math.inf)
ODD = 0.3
"""The share of jobs that leave odd files in the place of their reports."""
ODD_SECONDS = 0.3
"""How long such a job lasts, so that the App looks at them."""
WRONG_DATA = {
    "stage": "prepare",
    "step": "failed",
    "updated": "2026-11-22T12:00:00Z",
    "error": {"kind": "invalid_input", "reason": "target_missing", "rule": "R.", "found": "F.", "next_step": "N."},
}


@dataclass(frozen=True)
class Kind:
    """A kind of issue.

    Attributes
    ----------
    values
        What the metric comes to, attempt by attempt.
    answers
        What people say, in turn, each time that they are asked; each is said twice.
    status, label, attempts
        How its run has to end, and how many attempts it takes.
    retries
        The form's ``max_retries``.
    cancels
        The job in which somebody cancels it.
    crashes
        The job that ends with an error the first time.
    not_finite
        The attempt that publishes Infinity or NaN.
    """

    name: str
    status: str
    label: str
    values: tuple[float, ...] = (GOOD,)
    answers: tuple[str, ...] = ()
    attempts: int = 1
    retries: int = 2
    cancels: str | None = None
    crashes: str | None = None
    not_finite: int | None = None


KINDS = (
    Kind("passes", "passed", "mlops:passed"),
    Kind("approved", "passed", "mlops:passed", (BAD, GOOD), ("/approve n_estimators=50 more trees",), attempts=2),
    Kind("approved twice", "passed", "mlops:passed", (BAD, BAD, GOOD), ("/approve", "/approve seed=7"), attempts=3),
    Kind("given up", "rejected", "mlops:failed", (BAD,), ("/reject not worth it",)),
    Kind("no retries", "rejected", "mlops:failed", (BAD,), retries=0),
    Kind("prepare crashes once", "passed", "mlops:passed", crashes="prepare"),
    Kind("train crashes once", "passed", "mlops:passed", crashes="train"),
    Kind("wrong data", "invalid", "mlops:invalid"),
    Kind("not finite", "failed", "mlops:failed", (BAD,), ("/approve",), attempts=2, not_finite=2),
    Kind("cancelled", "cancelled", "mlops:cancelled", cancels="train"),
)
"""Every state and edge that people, stages and data can lead to."""


@dataclass(frozen=True)
class Asked:
    """One issue to open."""

    kind: Kind
    request: TrainingRequest


def asked(count: int, seed: int) -> list[Asked]:
    """Return a number of issues. Every third shares its model with others, so that runs queue."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    kinds = [KINDS[number % len(KINDS)] for number in range(count)]
    rng.shuffle(kinds)
    return [Asked(kind, _request(kind, number)) for number, kind in enumerate(kinds)]


def _request(kind: Kind, number: int) -> TrainingRequest:
    model = f"shared-{number % 4}" if number % 3 == 0 else f"model-{number}"
    return a_request(model_name=model, max_retries=kind.retries, notes=kind.name)


class PlannedExecutor(ScriptedExecutor):
    """Executes each job as its issue's kind demands; some jobs leave odd files for a while.

    Attributes
    ----------
    faults
        How many faults the jobs made, by kind.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._crashed: set[str] = set()
        self._rng = random.Random(seed)  # noqa: S311 - no secret
        self._odd_files = OddFiles(self._rng)
        self._not_finite = 0

    @property
    def faults(self) -> Counter[str]:
        return self._odd_files.counts + Counter({"result that is not finite": self._not_finite})

    def script_for(self, work: Work, job: PlannedJob) -> Script:
        order = WorkOrder.model_validate_json(work.inputs["order"])
        kind = next(each for each in KINDS if each.name == order.request.notes)
        if job.id == "publish":
            return Script(do=self._publish(kind, order))
        script = self._script(kind, order, job)
        return self._with_odd_files(script) if job.id in AREA and self._rng.random() < ODD else script

    def _script(self, kind: Kind, order: WorkOrder, job: PlannedJob) -> Script:
        if kind.crashes == job.id and order.run not in self._crashed:
            self._crashed.add(order.run)
            return Script(outcome="failure", log=("MemoryError",))
        if kind.cancels == job.id:
            return Script(hang=True)
        if kind.name == "wrong data" and job.id == "prepare":
            return Script(outcome="failure", do=writes("processed", {"progress.json": WRONG_DATA}))
        return Script()

    def _with_odd_files(self, script: Script) -> Script:
        def do(work: Work, job: PlannedJob) -> None:
            self._odd_files.leave(work, job.id)
            time.sleep(ODD_SECONDS)
            if script.do is not None:
                self._odd_files.remove(work)
                script.do(work, job)

        return replace(script, do=do)

    def _publish(self, kind: Kind, order: WorkOrder) -> Callable[[Work, PlannedJob], None]:
        value = kind.values[min(order.attempt, len(kind.values)) - 1]

        def result(work: Work) -> Any:
            published = a_result(order, value, git_sha=work.sha)
            if order.attempt == kind.not_finite:
                self._not_finite += 1
                figure = self._rng.choice(NOT_FINITE)
                published["metrics"][order.request.metric] = published["verdict"]["value"] = figure
            return published

        def do(work: Work, job: PlannedJob) -> None:
            self._odd_files.remove(work)
            models = area(work, "models")
            models.mkdir(parents=True, exist_ok=True)
            (models / "model.skops").write_bytes(MODEL_BYTES)
            publishes(result, {"roc_curve.png": PNG})(work, job)

        return do
