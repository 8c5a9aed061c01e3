"""What all training requests share; each task adds its own fields and rules (``actions.tasks``)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.fields import FieldInfo

from actions.contracts.metric import Metric
from actions.contracts.scalar import Scalar
from actions.text.masking import masked

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
"""The name of a task, an algorithm or a metric."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
GitSha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Repository = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}/\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,97}$")
]


class Rule(NamedTuple):
    """A rule about several fields of a request that are valid by themselves.

    Attributes
    ----------
    fields
        The fields it is about, first the one to correct.
    broken
        Returns the rule as a sentence if a request breaks it, else None.
    next_step
        What to do about it.
    """

    fields: tuple[str, ...]
    broken: Callable[[Any], str | None]
    next_step: str


class Contradiction(NamedTuple):
    """A field that contradicts another."""

    field: str
    rule: str
    next_step: str


def _threshold_rule(request: BaseRequest) -> str | None:
    metric = request.judged_metric
    if metric.can_be(request.threshold):
        return None
    return f"For {request.metric}, the threshold must be {metric.bounds}."


class BaseRequest(BaseModel):
    """What a person asks for: train this model and accept it if it is good enough.

    A field's title, description and example are what the issue form shows. A task narrows ``task``, ``algorithm`` and
    ``metric`` to its own names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metrics: ClassVar[Mapping[str, Metric]] = {}
    """The task's metrics by name."""
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("threshold", "metric"), _threshold_rule, "Correct the number, or choose another metric."),
    )

    search_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that ask for a search for hyperparameters; they have a form of their own."""

    model_name: ModelName = Field(
        title="Model name",
        description="Lower-case letters, digits, `.`, `_` and `-`. Runs with the same name are versions of one model.",
        examples=["breast-cancer"],
    )
    task: Identifier = Field(title="Task", description="What kind of model to train.")
    algorithm: Identifier = Field(title="Algorithm", description="The algorithm that trains the model.")
    metric: Identifier = Field(title="Metric", description="The metric that decides the verdict.")
    threshold: float = Field(
        title="Threshold",
        description="The minimum value of the metric on the test data; for errors and losses, the maximum.",
        examples=["0.95"],
    )
    max_retries: int = Field(
        default=2, ge=0, le=10, title="Max retries",
        description="Maximum retries after a rejection; each needs an approval.",
    )  # fmt: skip
    runner: Label = Field(
        default="self-hosted", title="Runner label", description="The label of the runner that runs the jobs."
    )
    timeout_minutes: int = Field(
        default=60,
        ge=1,
        le=1_440,
        title="Time-out",
        description="Time limit for the training stage, in minutes.",
        json_schema_extra={"unit": "min"},
    )
    seed: int = Field(
        default=42, ge=0, le=2**31 - 1, title="Seed", description="The same seed on the same data gives the same model."
    )
    hyperparameters: dict[str, Scalar] = Field(
        default_factory=dict, max_length=50, title="Hyperparameters",
        description="One `name: value` per line, with the library's own names. Leave empty for the library's defaults.",
        examples=["n_estimators: 200"],
    )  # fmt: skip
    notes: Annotated[str, AfterValidator(masked)] = Field(
        default="", max_length=10_000, title="Notes", description="For readers. Kept in the history, otherwise ignored."
    )

    @classmethod
    def form_fields(cls) -> dict[str, FieldInfo]:
        """Return the fields in the order in which people are asked for them."""
        return {name: cls.model_fields[name] for name in in_form_order(cls.model_fields)}

    @property
    def judged_metric(self) -> Metric:
        """What the metric means that the verdict is about."""
        return self.metrics[self.metric]

    @property
    def data_uris(self) -> tuple[str, ...]:
        """The data that the request names, for the App to check whether it may be read."""
        return ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for contradiction in self.contradictions():
            raise ValueError(contradiction.rule.removesuffix("."))
        return self

    def contradictions(self, known: Collection[str] | None = None) -> list[Contradiction]:
        """Return every field that contradicts another.

        Parameters
        ----------
        known
            The fields whose values are valid; rules about others are not checked. All by default.
        """
        return [
            Contradiction(rule.fields[0], broken, rule.next_step)
            for rule in self.rules
            if (known is None or set(rule.fields) <= set(known)) and (broken := rule.broken(self)) is not None
        ]


def unit_of(field: FieldInfo) -> str:
    """Return the unit of a field's value, such as ``min``; nothing if it has none."""
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def in_form_order(fields: Iterable[str]) -> list[str]:
    """Order the names of fields as the form has them: the tasks' own between the shared ones up to the algorithm and the rest.

    >>> in_form_order(["metric", "model_name", "data"])
    ['model_name', 'data', 'metric']
    """
    shared = list(BaseRequest.model_fields)
    names, border = dict.fromkeys(fields), shared.index("metric")
    own = [name for name in names if name not in shared]
    return [name for name in (*shared[:border], *own, *shared[border:]) if name in names]
