"""A search space: for each hyperparameter a range, or a list of choices."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from actions.contracts.scalar import Scalar


class Range(BaseModel):
    """Numbers from low to high, both included; integers if both ends are integers.

    Examples
    --------
    >>> Range(low=1, high=8).is_integer, Range(low=0.1, high=8).is_integer
    (True, False)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: int | float
    high: int | float
    log: bool = Field(default=False, description="sample by order of magnitude")
    step: Annotated[int | float, Field(gt=0)] | None = Field(default=None, description="try only low, low + step, ...")

    @property
    def is_integer(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("with log, low must be above 0 and step must be left out")
        if self.is_integer and isinstance(self.step, float):
            raise ValueError("the step between integers must be an integer")
        return self


class Choices(BaseModel):
    """A list of values to choose from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: list[Scalar] = Field(min_length=2, max_length=100)


def _kind_of(given: Any) -> str:
    has_choices = "choices" in given if isinstance(given, dict) else isinstance(given, Choices)
    return "choices" if has_choices else "range"


# The kind is decided before validation, so that an error is about the kind that was meant.
Searched = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(_kind_of),
]
SearchSpace = dict[str, Searched]


def values_to_check(searched: Range | Choices) -> list[Any]:
    """Return the ends of a range, or all choices."""
    return [searched.low, searched.high] if isinstance(searched, Range) else list(searched.choices)
