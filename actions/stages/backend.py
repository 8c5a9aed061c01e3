"""Where the train stage's work runs: in the stage's own process, or submitted to a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from actions.context import Report
from actions.tasks.exchange import WorkOrder
from actions.tasks.results import Trained

T = TypeVar("T", bound=Trained)


@dataclass(frozen=True)
class TrainingJob(Generic[T]):
    """The work of one train stage.

    Attributes
    ----------
    order
        The work order. As JSON it is all that another machine with the same storage root needs to do the work.
    run
        Does the work in this process.
    result
        The type of the result, to read it where another process did the work.
    report
        Receives progress.
    """

    order: WorkOrder
    run: Callable[[], T]
    result: type[T]
    report: Report


class Backend(Protocol):
    """Runs a training job to its end.

    A local backend calls ``job.run``. A remote one submits ``job.order``, follows it with ``job.report``, and fetches the
    result, which it reads as ``job.result``.
    """

    def train(self, job: TrainingJob[T]) -> T:
        """Return the job's result.

        Raises
        ------
        OperationError
            What the work raises; ``Unavailable`` where the backend itself fails, so that the stage can be retried.
        """
