"""What a task declares: everything that the App, the stages and the history need to know about a kind of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from actions.context import Context
from actions.contracts.metric import Metric
from actions.contracts.order import OrderFacts
from actions.contracts.request import BaseRequest
from actions.contracts.stage import Stage
from actions.tasks.results import Evaluated, Prepared, Trained

Q = TypeVar("Q", bound=BaseRequest)
P = TypeVar("P", bound=Prepared)
T = TypeVar("T", bound=Trained)
E = TypeVar("E", bound=Evaluated)

Unit = Literal["rows", "seeds", "frames"]
"""What champion and challenger are both scored on, pair by pair."""


@dataclass(frozen=True)
class StageWork(Generic[Q]):
    """What a task's function for a stage works with.

    Attributes
    ----------
    order
        What the App ordered.
    request
        The order's request, as the task's own type.
    context
        Storage, and where to report progress.
    folder
        The stage's folder in storage, to write to.
    """

    order: OrderFacts
    request: Q
    context: Context
    folder: Path


@dataclass(frozen=True, kw_only=True)
class TaskStages(Generic[Q, P, T, E]):
    """What a task does in the stages that do its work.

    Attributes
    ----------
    prepare, train, evaluate
        The work itself. Each is given what the stages before it left.
    prepared, trained, evaluated
        The types of their results.
    data_inputs
        What in a request determines the prepared data: later stages look it up by this.
    prepare_inputs
        What else prepare must be repeated for: the content of a file, settings that it checks.
    train_inputs
        What in a request determines the model, besides the data, the seed and the model's name.
    libraries
        The modules that a request needs, by stage. They are imported before the work, so that both are timed.
    """

    prepare: Callable[[StageWork[Q]], P]
    train: Callable[[StageWork[Q], P], T]
    evaluate: Callable[[StageWork[Q], P, T], E]
    prepared: type[P]
    trained: type[T]
    evaluated: type[E]
    data_inputs: Callable[[Q], dict[str, Any]]
    prepare_inputs: Callable[[StageWork[Q]], dict[str, Any]] = lambda _: {}
    train_inputs: Callable[[Q], dict[str, Any]] = lambda _: {}
    libraries: Mapping[Stage, Callable[[Q], tuple[str, ...]]] = field(default_factory=dict)

    def libraries_for(self, stage: Stage, request: Q) -> tuple[str, ...]:
        """Return the modules that a request needs in a stage."""
        return self.libraries[stage](request) if stage in self.libraries else ()


@dataclass(frozen=True, kw_only=True)
class Task(Generic[Q]):
    """A kind of training.

    Attributes
    ----------
    name
        As requests have it in ``task``.
    request
        The type of its requests; their fields make the form.
    title, description
        What GitHub shows where people choose a form.
    stages
        Returns what the task does in each stage. A function, so that the App need not import it.
    compared_by
        What champion and challenger are paired by; None where they are not compared and the threshold alone decides.
    evaluate_operation
        The operation behind ``/evaluate``; None where there is none.
    examples
        Placeholders of its form that differ from the examples of the fields.
    """

    name: str
    request: type[Q]
    title: str
    description: str
    stages: Callable[[], TaskStages[Q, Any, Any, Any]]
    compared_by: Unit | None = None
    evaluate_operation: str | None = None
    examples: Mapping[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The task's metrics by name."""
        return self.request.metrics

    def options(self, name: str) -> tuple[str, ...]:
        """Return the choices that a field of the request offers; none where it is no choice."""
        annotation = self.request.model_fields[name].annotation
        return get_args(annotation) if get_origin(annotation) is Literal else ()
