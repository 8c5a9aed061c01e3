"""What each stage declares, and where its record is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from actions.context import Context
from actions.contracts.stage import Stage
from actions.errors import NotFound
from actions.stages.backend import Backend
from actions.stages.records import StageRecord, read_record
from actions.storage.folder import Storage
from actions.tasks.exchange import WorkOrder
from actions.tasks.registry import task_of
from actions.tasks.results import StageResult
from actions.tasks.task import StageWork, TaskStages

R = TypeVar("R", bound=StageResult)


@dataclass(frozen=True)
class Attempt:
    """One pass of a run through the stages: what was ordered, the storage, and where training runs."""

    order: WorkOrder
    context: Context
    backend: Backend

    @property
    def task(self) -> TaskStages[Any, Any, Any, Any]:
        """What the request's task does in each stage."""
        return stages_of(self.order)


def stages_of(order: WorkOrder) -> TaskStages[Any, Any, Any, Any]:
    """Return what the request's task does in each stage."""
    return task_of(order.request).stages()


@dataclass(frozen=True, kw_only=True)
class StageSpec(Generic[R]):
    """A stage.

    Attributes
    ----------
    name
        As workflows and users name it.
    area
        The storage area that holds its ``<stage>.json`` and, while it runs, its ``progress.json``.
    inputs
        Returns the inputs that determine whether the stage can be skipped.
    lookup
        Returns those inputs by which later stages find the record; all of them by default.
    result
        Returns the type of the result.
    run
        Does the work.
    libraries
        Returns the modules to import before the work, so that imports and work are timed separately.
    removes_files
        Whether files written before the input was found to be invalid are removed.
    is_skippable
        Whether the stage is skipped where its inputs and code are unchanged.
    """

    name: Stage
    area: Literal["processed", "models", "evaluations"]
    inputs: Callable[[Attempt], dict[str, Any]]
    lookup: Callable[[Attempt], dict[str, Any]] | None = None
    result: Callable[[WorkOrder], type[R]]
    run: Callable[[Attempt], R]
    libraries: Callable[[WorkOrder], tuple[str, ...]] = lambda _: ()
    removes_files: bool = False
    is_skippable: bool = True

    def folder(self, order: WorkOrder, storage: Storage, attempt: int | None = None) -> Path:
        """Return the folder that holds the stage's record."""
        return storage.folder(order.repository, self.area, order.run, attempt or order.attempt)

    def work(self, attempt: Attempt) -> StageWork[Any]:
        """Return what the task's function for this stage is given."""
        order, context = attempt.order, attempt.context
        return StageWork(order, order.request, context, self.folder(order, context.storage))

    def records(self, order: WorkOrder, storage: Storage) -> Iterator[StageRecord]:
        """Yield the records of this attempt and then of earlier ones, latest first; unreadable ones are left out."""
        for attempt in range(order.attempt, 0, -1):
            record = read_record(self.folder(order, storage, attempt), self.name)
            if record is not None:
                yield record

    def record(self, attempt: Attempt) -> StageRecord:
        """Return the record to build on: this attempt's, else an earlier one's with the same inputs.

        Raises
        ------
        NotFound
            ``stage_missing`` where no attempt has completed the stage for this request.
        """
        wanted = (self.lookup or self.inputs)(attempt)
        order = attempt.order
        for record in self.records(order, attempt.context.storage):
            if _matches(record, wanted):
                return record
        raise NotFound(
            "stage_missing",
            rule=f"The stage {self.name} must have left {self.name}.json before this stage starts.",
            found=f"none of {order.run} that fits the request, in attempt {order.attempt} or before.",
            next_step=f"Start the attempt at {self.name}.",
        )

    def read(self, attempt: Attempt) -> R:
        """Return the result to build on."""
        return self.result(attempt.order).model_validate(self.record(attempt).result)


def _matches(record: StageRecord, inputs: Mapping[str, Any]) -> bool:
    return all(record.inputs.get(name) == value for name, value in inputs.items())
