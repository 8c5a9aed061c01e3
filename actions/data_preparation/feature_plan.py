"""Which features to make of raw columns: the plan, and whether it fits them."""

from __future__ import annotations

import math
from collections import Counter

from pydantic import Field

from actions.contracts.features import AskedFeatures
from actions.contracts.request import Task
from actions.data_preparation.columns import Column, Kind
from actions.errors import InvalidInput
from actions.text.suggestions import nearest_first

MOST_FEATURES = 5_000
"""Numbers a row that products may make: a hundred thousand rows of so many take 4 GB."""
_KINDS: dict[str, Kind] = {
    "polynomial": "number",
    "interactions": "number",
    "bins": "number",
    "target_encoding": "category",
    "frequency_encoding": "category",
}


class FeaturePlan(AskedFeatures):
    """The features that are asked for, and what making them has to know of the target."""

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
    check_asked(plan, target)
    kinds = {column.name: column.kind for column in columns if column.name != target}
    for field, names in plan.columns.items():
        for name in names:
            _check_column(name, _KINDS[field], kinds, field)
    if plan.date_parts and "date" not in kinds.values():
        raise _contradiction(
            "date_parts", "no column of dates.", "Leave date_parts out, or write dates like 2024-12-31."
        )


def check_asked(asked: AskedFeatures, target: str) -> None:
    """Refuse, before there is any data, what contradicts itself.

    Raises
    ------
    InvalidInput
        ``features_contradict``, ``too_many_features``.
    """
    for field, names in asked.columns.items():
        if target in names:
            raise _contradiction(field, f"the target {target!r}.", "Features are made of the other columns.")
        _check_repeats(list(names), field)
    _check_repeats(list(asked.date_parts), "date_parts")
    both = sorted({*asked.polynomial} & {*asked.interactions})
    if both:
        found = f"{', '.join(repr(name) for name in both)} in polynomial and in interactions."
        raise _contradiction("interactions", found, "Polynomials hold the interactions of their columns: name it once.")
    if len(asked.interactions) == 1:
        found = f"{asked.interactions[0]!r} alone."
        raise _contradiction("interactions", found, "Name at least two columns: an interaction is a product of two.")
    _check_of_use(asked)
    _check_count(asked)


def _check_column(name: str, kind: Kind, kinds: dict[str, Kind], field: str) -> None:
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
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise _contradiction(field, f"{twice[0]!r} twice.", "Name it once.")


def _check_of_use(asked: AskedFeatures) -> None:
    """Refuse what would be passed over in silence."""
    usual = AskedFeatures()
    needs = {
        "degree": ("polynomial", bool(asked.polynomial)),
        "keep": ("selection: mutual_information", asked.selection == "mutual_information"),
        "minimum_variance": ("selection: variance", asked.selection == "variance"),
    }
    for field, (other, there) in needs.items():
        value = getattr(asked, field)
        if value != getattr(usual, field) and not there:
            raise _contradiction(field, f"{field}: {value} without {other}.", f"Ask for {other}, or leave {field} out.")


def _check_count(plan: AskedFeatures) -> None:
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
