"""Which rows belong together: those that share a value, or a range of values, of a column.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actions.errors import InvalidInput
from actions.models.saved_model import Model
from actions.text.suggestions import nearest_first

MOST_VALUES = 10
MIN_ROWS = 5
QUANTILE_BINS = 4
MISSING = "(missing)"


class Rows(NamedTuple):
    """The rows of one slice, by position."""

    column: str
    value: str
    places: Any


def usual_columns(model: Model, frame: pd.DataFrame, most: int = 5) -> list[str]:
    """Return the columns that rows are usually told apart by: categories with few values."""
    categories = [column.name for column in model.signature.columns if column.kind == "category"]
    return [name for name in categories if name in frame and frame[name].nunique() <= MOST_VALUES][:most]


def slices_of(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[Rows]:
    """Give the slices of each column: of its ten most frequent values, or of the quarters of its numbers.

    Slices of fewer than five rows are left out: their figures would say nothing.

    Raises
    ------
    InvalidInput
        ``slice_column_missing``.
    """
    for column in columns:
        if column not in frame:
            raise InvalidInput(
                "slice_column_missing",
                rule="Rows are told apart by columns that they have.",
                found=f"no column {column!r}.",
                next_step=f"Choose among: {nearest_first(column, [str(name) for name in frame.columns])}.",
                field="slices",
            )
    for column in columns:
        values, ordered = _told_apart(frame[column])
        for value in ordered:
            places = np.flatnonzero((values == value).to_numpy())
            if len(places) >= MIN_ROWS:
                yield Rows(column, value[:100], places)


def _told_apart(values: pd.Series[Any]) -> tuple[pd.Series[Any], list[str]]:
    """Return a column as few texts, and these in order: the most frequent first; of numbers, quarters from low to high."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_VALUES:
        quarters = pd.qcut(values.astype(float), QUANTILE_BINS, duplicates="drop")
        names = [f"{one.left:.4g} to {one.right:.4g}" for one in quarters.cat.categories]
        texts = (
            quarters.cat.rename_categories(_distinct(names)).astype(object).where(values.notna(), MISSING).astype(str)
        )
        return texts, [*_distinct(names), MISSING]
    texts = values.astype(object).where(values.notna(), MISSING).astype(str)
    return texts, [str(value) for value in texts.value_counts().index[:MOST_VALUES]]


def _distinct(names: list[str]) -> list[str]:
    """Number the names where rounding has made two of them equal."""
    return names if len(set(names)) == len(names) else [f"{place}: {name}" for place, name in enumerate(names, start=1)]
