"""Which features to derive from the raw columns, and checks that the data allows it."""

from __future__ import annotations

import math
from collections import Counter

from pydantic import Field

from actions.contracts.features import RequestedFeatures
from actions.contracts.supervised import SupervisedTask
from actions.data_preparation.columns import Column, Kind
from actions.errors import InvalidInput
from actions.text.suggestions import nearest_first

MAX_FEATURES = 5_000
"""Products per row: for a hundred thousand rows, this many take 4 GB."""
_KINDS: dict[str, Kind] = {
    "polynomial": "number",
    "interactions": "number",
    "bins": "number",
    "target_encoding": "category",
    "frequency_encoding": "category",
}


class FeaturePlan(RequestedFeatures):
    """The requested features, plus what computing them needs to know about the target."""

    task: SupervisedTask | None = Field(default=None, description="for target encoding and mutual information")
    classes: int | None = Field(default=None, description="number of the target's classes, for classification")

    @property
    def reads_target(self) -> bool:
        return bool(self.target_encoding) or self.selection == "mutual_information"


PLAIN = FeaturePlan()


def check_plan(plan: FeaturePlan, columns: list[Column], target: str) -> None:
    """Refuse a plan whose columns do not exist or have the wrong kind, or that contradicts itself.

    Raises
    ------
    InvalidInput
        ``unknown_column``, ``column_wrong_kind``, ``features_contradict``, ``too_many_features``.
    """
    check_requested_features(plan, target)
    kinds = {column.name: column.kind for column in columns if column.name != target}
    for field, names in plan.columns.items():
        for name in names:
            _check_column(name, _KINDS[field], kinds, field)
    if plan.date_parts and "date" not in kinds.values():
        raise _contradiction("date_parts", "no column of dates.", "Remove date_parts, or write dates like 2024-12-31.")


def check_requested_features(requested: RequestedFeatures, target: str) -> None:
    """Refuse a request that contradicts itself; needs no data.

    Raises
    ------
    InvalidInput
        ``features_contradict``, ``too_many_features``.
    """
    for field, names in requested.columns.items():
        if target in names:
            raise _contradiction(
                field, f"the target {target!r}.", "Name other columns: features cannot use the target."
            )
        _check_repeats(list(names), field)
    _check_repeats(list(requested.date_parts), "date_parts")
    both = sorted({*requested.polynomial} & {*requested.interactions})
    if both:
        found = f"{', '.join(repr(name) for name in both)} in polynomial and in interactions."
        raise _contradiction("interactions", found, "Name each once: a polynomial includes its columns' interactions.")
    if len(requested.interactions) == 1:
        found = f"only {requested.interactions[0]!r}."
        raise _contradiction("interactions", found, "Name at least two columns: an interaction is a product of two.")
    _check_unused_options(requested)
    _check_count(requested)


def _check_column(name: str, kind: Kind, kinds: dict[str, Kind], field: str) -> None:
    if name not in kinds:
        fitting = [other for other, known in kinds.items() if known == kind]
        raise InvalidInput(
            "unknown_column",
            rule=f"{field} must name columns of the data.",
            found=f"no column {name!r}.",
            next_step=f"Columns that contain a {kind}, most similar first: {nearest_first(name, fitting) or 'none'}.",
            field=field,
        )
    if kinds[name] != kind:
        raise InvalidInput(
            "column_wrong_kind",
            rule=f"{field} must name columns that contain a {kind} in each row.",
            found=f"column {name!r} contains a {kinds[name]}.",
            next_step="Remove the column there, or choose another encoding for it.",
            field=field,
        )


def _check_repeats(names: list[str], field: str) -> None:
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise _contradiction(field, f"{twice[0]!r} twice.", "Name it once.")


def _check_unused_options(requested: RequestedFeatures) -> None:
    """Refuse options that would be ignored."""
    defaults = RequestedFeatures()
    prerequisites = {
        "degree": ("polynomial", bool(requested.polynomial)),
        "keep": ("selection: mutual_information", requested.selection == "mutual_information"),
        "minimum_variance": ("selection: variance", requested.selection == "variance"),
    }
    for field, (prerequisite, present) in prerequisites.items():
        value = getattr(requested, field)
        if value != getattr(defaults, field) and not present:
            next_step = f"Ask for {prerequisite}, or remove {field}."
            raise _contradiction(field, f"{field}: {value} without {prerequisite}.", next_step)


def _check_count(plan: RequestedFeatures) -> None:
    polynomial = math.comb(len(plan.polynomial) + plan.degree, plan.degree) - 1
    interactions = math.comb(len(plan.interactions), 2) + len(plan.interactions)
    for field, count in (("polynomial", polynomial), ("interactions", interactions)):
        if count > MAX_FEATURES:
            raise InvalidInput(
                "too_many_features",
                rule=f"Products of columns must number at most {MAX_FEATURES} per row.",
                found=f"{count} from {field} of {len(getattr(plan, field))} columns.",
                next_step="Name fewer columns, or choose a smaller degree.",
                field=field,
            )


def _contradiction(field: str, found: str, next_step: str) -> InvalidInput:
    return InvalidInput(
        "features_contradict",
        rule="The requested features must be consistent with each other and with the data.",
        found=found,
        next_step=next_step,
        field=field,
    )
