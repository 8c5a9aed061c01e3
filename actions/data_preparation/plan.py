"""Which features to make of raw columns: the plan, and whether it fits them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from actions.data_preparation.columns import Column, Kind
from actions.data_preparation.sources import nearest_first
from actions.operation import InvalidInput
from actions.request import Task

DatePart = Literal[
    "year", "quarter", "month", "week", "day", "day_of_year", "weekday", "hour", "minute", "days_since_1970",
    "month_sin", "month_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos",
]  # fmt: skip
Selection = Literal["mutual_information", "variance"]
Degree = Annotated[int, Field(ge=2, le=4)]
Bins = Annotated[int, Field(ge=2, le=100)]
Keep = Annotated[int, Field(ge=1, le=100_000)]
Variance = Annotated[float, Field(ge=0, allow_inf_nan=False)]

MOST_FEATURES = 5_000
"""Numbers a row that products may make: a hundred thousand rows of so many take 4 GB."""


class FeaturePlan(BaseModel):
    """What to make of raw columns beside what each of them gives by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    polynomial: tuple[str, ...] = ()
    degree: Degree = 2
    interactions: tuple[str, ...] = ()
    bins: dict[str, Bins] = Field(default_factory=dict)
    date_parts: tuple[DatePart, ...] = ()
    target_encoding: tuple[str, ...] = ()
    frequency_encoding: tuple[str, ...] = ()
    selection: Selection | None = None
    keep: Keep = 20
    minimum_variance: Variance = 0.0
    task: Task | None = Field(default=None, description="for target encoding and mutual information")
    classes: int | None = Field(default=None, description="of the target, for classification")

    @property
    def reads_target(self) -> bool:
        return bool(self.target_encoding) or self.selection == "mutual_information"


PLAIN = FeaturePlan()


def check_plan(plan: FeaturePlan, columns: list[Column], target: str) -> None:
    """Refuse a plan that names columns which are not there or hold something else, or that contradicts itself.

    Raises
    ------
    InvalidInput
        ``unknown_column``, ``column_wrong_kind``, ``features_contradict``, ``too_many_features``.
    """
    kinds = {column.name: column.kind for column in columns if column.name != target}
    wanted: list[tuple[str, Iterable[str], Kind]] = [
        ("polynomial", plan.polynomial, "number"),
        ("interactions", plan.interactions, "number"),
        ("bins", plan.bins, "number"),
        ("target_encoding", plan.target_encoding, "category"),
        ("frequency_encoding", plan.frequency_encoding, "category"),
    ]
    for field, names, kind in wanted:
        for name in names:
            _check_column(name, kind, kinds, target, field)
        _check_repeats(list(names), field)
    both = sorted({*plan.polynomial} & {*plan.interactions})
    if both:
        found = f"{', '.join(repr(name) for name in both)} in polynomial and in interactions."
        raise _contradiction("interactions", found, "Polynomials hold the interactions of their columns: name it once.")
    if len(plan.interactions) == 1:
        found = f"{plan.interactions[0]!r} alone."
        raise _contradiction("interactions", found, "Name at least two columns: an interaction is a product of two.")
    if plan.date_parts and "date" not in kinds.values():
        raise _contradiction(
            "date_parts", "no column of dates.", "Leave date_parts out, or write dates like 2024-12-31."
        )
    _check_count(plan)


def _check_column(name: str, kind: Kind, kinds: dict[str, Kind], target: str, field: str) -> None:
    if name == target:
        raise _contradiction(field, f"the target {name!r}.", "Features are made of the other columns.")
    if name not in kinds:
        fitting = [other for other, known in kinds.items() if known == kind]
        raise InvalidInput(
            "unknown_column",
            rule=f"{field} names columns of the data.",
            found=f"no column {name!r}.",
            next_step=f"Columns that hold a {kind}, the most likely first: {nearest_first(name, fitting) or 'none'}.",
            field=field,
        )
    if kinds[name] != kind:
        raise InvalidInput(
            "column_wrong_kind",
            rule=f"{field} takes columns that hold a {kind} in each row.",
            found=f"column {name!r} holds a {kinds[name]}.",
            next_step="Leave the column out there, or choose another encoding for it.",
            field=field,
        )


def _check_repeats(names: list[str], field: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _contradiction(field, f"{twice[0]!r} twice.", "Name it once.")


def _check_count(plan: FeaturePlan) -> None:
    polynomial = math.comb(len(plan.polynomial) + plan.degree, plan.degree) - 1
    interactions = math.comb(len(plan.interactions), 2) + len(plan.interactions)
    for field, count in (("polynomial", polynomial), ("interactions", interactions)):
        if count > MOST_FEATURES:
            raise InvalidInput(
                "too_many_features",
                rule=f"Products of columns are at most {MOST_FEATURES} numbers a row.",
                found=f"{count} by {field} of {len(getattr(plan, field))} columns.",
                next_step="Name fewer columns, or choose a smaller degree.",
                field=field,
            )


def _contradiction(field: str, found: str, next_step: str) -> InvalidInput:
    return InvalidInput(
        "features_contradict",
        rule="What is asked of features can be made of the data's columns.",
        found=found,
        next_step=next_step,
        field=field,
    )
