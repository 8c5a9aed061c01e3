"""Which hyperparameters a search tries: a range or some choices for each name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from actions.contracts.request import Scalar
from actions.errors import InvalidInput
from actions.ml_training.algorithms.rules import check_contradictions


class Range(BaseModel):
    """Numbers from low to high, both included; whole ones where both ends are whole.

    Examples
    --------
    >>> Range(low=1, high=8).is_whole, Range(low=0.1, high=8).is_whole
    (True, False)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: int | float
    high: int | float
    log: bool = Field(default=False, description="tried evenly by order of magnitude")
    step: Annotated[int | float, Field(gt=0)] | None = Field(default=None, description="only low, low + step, ...")

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def _spans(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low is below high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("with log, low is above 0 and there is no step")
        if self.is_whole and isinstance(self.step, float):
            raise ValueError("between whole numbers the step is whole")
        return self


class Choices(BaseModel):
    """Values of which one is chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: list[Scalar] = Field(min_length=2, max_length=100)


def _which(given: Any) -> str:
    has_choices = "choices" in given if isinstance(given, dict) else isinstance(given, Choices)
    return "choices" if has_choices else "range"


# Told apart before it is read, so that an error is about what was meant.
Searched = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(_which),
]
Space = dict[str, Searched]

USUAL_SPACES: dict[str, Space] = {
    "linear_regression": {
        "fit_intercept": Choices(choices=[True, False]),
        "positive": Choices(choices=[False, True]),
    },
    "logistic_regression": {
        "C": Range(low=1e-3, high=1e3, log=True),
        "class_weight": Choices(choices=[None, "balanced"]),
    },
    "random_forest": {
        "n_estimators": Range(low=50, high=300, step=50),
        "max_depth": Range(low=2, high=32, log=True),
        "min_samples_leaf": Range(low=1, high=20, log=True),
        "max_features": Range(low=0.1, high=1.0),
    },
    "xgboost": {
        "n_estimators": Range(low=50, high=500, step=50),
        "learning_rate": Range(low=0.01, high=0.3, log=True),
        "max_depth": Range(low=2, high=10),
        "min_child_weight": Range(low=1.0, high=10.0, log=True),
        "subsample": Range(low=0.5, high=1.0),
        "colsample_bytree": Range(low=0.5, high=1.0),
        "reg_lambda": Range(low=1e-3, high=10.0, log=True),
    },
    "neural_network": {
        "hidden_layers": Range(low=1, high=4),
        "hidden_units": Range(low=16, high=256, log=True),
        "dropout": Range(low=0.0, high=0.5),
        "learning_rate": Range(low=1e-4, high=3e-2, log=True),
        "weight_decay": Range(low=1e-5, high=0.1, log=True),
    },
}


def space_of(task: str, algorithm: str, given: Space | None, fixed: Mapping[str, Scalar]) -> Space:
    """Return the checked space: the given one, else the usual one without what is fixed.

    Raises
    ------
    InvalidInput
        ``contradictory_hyperparameters`` where a name is fixed and searched; ``nothing_to_search``; and what
        ``check_hyperparameters`` raises, for the ends of each range and for each choice.
    """
    from actions.ml_training.hyperparameters import check_hyperparameters

    space = given or {name: known for name, known in USUAL_SPACES[algorithm].items() if name not in fixed}
    both = next((name for name in space if name in fixed), None)
    if both is not None:
        raise InvalidInput(
            "contradictory_hyperparameters",
            rule="A hyperparameter is searched or fixed, not both.",
            found=f"{both} in space and in hyperparameters.",
            next_step="Leave it out of one of the two.",
            field="space",
        )
    if not space:
        raise InvalidInput(
            "nothing_to_search",
            rule="A search varies at least one hyperparameter.",
            found="all of the usual ones are fixed.",
            next_step="Name others in space, or train with those that are fixed.",
            field="space",
        )
    for name, searched in space.items():
        for value in ends_of(searched):
            check_hyperparameters(task, algorithm, {**fixed, name: value})
    check_contradictions(algorithm, {**fixed, **{name: ends_of(searched)[0] for name, searched in space.items()}})
    return space


def ends_of(searched: Range | Choices) -> list[Any]:
    """Return the ends of a range, or all choices."""
    return [searched.low, searched.high] if isinstance(searched, Range) else list(searched.choices)
