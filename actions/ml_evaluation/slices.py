"""Slices: rows that share a value, or a range of values, of a column.

Imports heavy libraries; import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from actions.errors import InvalidInput
from actions.models.saved_model import Model
from actions.text.suggestions import nearest_first

MAX_VALUES = 10
MIN_ROWS = 5
QUANTILE_BINS = 4
MISSING = "(missing)"


class Rows(NamedTuple):
    """The rows of one slice, by position (array of int, shape (rows,))."""

    column: str
    value: str
    positions: Any


def default_columns(model: Model, frame: pd.DataFrame, most: int = 5) -> list[str]:
    """Return the columns that rows are sliced by if none are named: those with few categories."""
    categories = [column.name for column in model.signature.columns if column.kind == "category"]
    return [name for name in categories if name in frame and frame[name].nunique() <= MAX_VALUES][:most]


def slices_of(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[Rows]:
    """Yield the slices of each column: its ten most frequent values, or the quartiles of its numbers.

    Slices of fewer than five rows are left out, because their figures would mean little.

    Raises
    ------
    InvalidInput
        ``slice_column_missing``.
    """
    for column in columns:
        if column not in frame:
            raise InvalidInput(
                "slice_column_missing",
                rule="Rows must be sliced by columns that they have.",
                found=f"no column {column!r}.",
                next_step=f"Choose a column: {nearest_first(column, [str(name) for name in frame.columns])}.",
                field="slices",
            )
    for column in columns:
        values, ordered = _groups(frame[column])
        for value in ordered:
            positions = np.flatnonzero((values == value).to_numpy())
            if len(positions) >= MIN_ROWS:
                yield Rows(column, value[:100], positions)


def _groups(values: pd.Series[Any]) -> tuple[pd.Series[Any], list[str]]:
    """Return the group of each value, and the groups in order: most frequent first, or quartiles from low to high."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MAX_VALUES:
        quartiles = pd.qcut(values.astype(float), QUANTILE_BINS, duplicates="drop")
        names = _distinct([f"{bounds.left:.4g} to {bounds.right:.4g}" for bounds in quartiles.cat.categories])
        texts = quartiles.cat.rename_categories(names).astype(object).where(values.notna(), MISSING).astype(str)
        return texts, [*names, MISSING]
    texts = values.astype(object).where(values.notna(), MISSING).astype(str)
    return texts, [str(value) for value in texts.value_counts().index[:MAX_VALUES]]


def _distinct(names: list[str]) -> list[str]:
    """Number the names if rounding has made two of them equal."""
    return (
        names if len(set(names)) == len(names) else [f"{number}: {name}" for number, name in enumerate(names, start=1)]
    )
