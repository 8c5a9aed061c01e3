"""What a column contains (numbers, categories or dates), and how its values are converted to that form."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from actions.errors import InvalidInput
from actions.operation import Result

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "category", "date", "ignored"]

_ISO_DATE = r"^(\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2})([T ]\d{2}:\d{2}.*)?$"
_OTHER_DATE = re.compile(
    r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b.*|([A-Z][a-z]{2,8}\.? \d{1,2},?|\d{1,2}\.? [A-Z][a-z]{2,8}) \d{4}\b.*"
)
_MOSTLY = 0.8
"""The share of numbers from which a text column counts as numbers with stray text in it."""


class Column(Result):
    """One column of a data set."""

    name: str
    dtype: str = Field(description="the data type as it was read")
    kind: Kind = Field(description="how the column is preprocessed; ignored means that it has no values")
    missing: int = Field(description="number of rows without a value")
    distinct: int = Field(description="number of different values")
    minimum: float | None = None
    maximum: float | None = None


def describe(series: pd.Series[Any]) -> Column:
    """Describe a column."""
    kind = kind_of(series)
    lowest = highest = None
    if kind == "number":
        numbers = _numbers(series)
        lowest, highest = _finite(numbers.min()), _finite(numbers.max())
    return Column(
        name=str(series.name),
        dtype=str(series.dtype),
        kind=kind,
        missing=int(series.isna().sum()),
        distinct=int(series.nunique()),
        minimum=lowest,
        maximum=highest,
    )


def kind_of(series: pd.Series[Any]) -> Kind:
    """Return what a column contains; text counts as dates if every value is a date that starts with the year."""
    import pandas as pd

    if series.isna().all():
        return "ignored"
    if pd.api.types.is_datetime64_any_dtype(series):
        return "date"
    if pd.api.types.is_numeric_dtype(series):
        return "number"
    present = series.dropna()
    if is_truth_values(present):
        return "number"
    return "date" if _are_dates(present.astype(str)) else "category"


def _are_dates(text: pd.Series[Any]) -> bool:
    # Checking the first value first spares all other texts the slow check.
    return bool(re.match(_ISO_DATE, text.iloc[0]) and text.str.match(_ISO_DATE).all() and _dates(text).notna().all())


def looks_like_dates(series: pd.Series[Any]) -> str:
    """Return the first value of a text column if its values are dates in an ambiguous notation, or else an empty text."""
    sample = [str(value) for value in series.dropna().head(1_000).unique()[:20]]
    return sample[0] if sample and all(_OTHER_DATE.fullmatch(value) for value in sample) else ""


def is_truth_values(present: pd.Series[Any]) -> bool:
    """Return whether values, none of them missing, are all true or false."""
    return all(isinstance(value, bool) or type(value).__name__ == "bool" for value in present.unique())


def stray_text(series: pd.Series[Any]) -> tuple[int, str] | None:
    """Return the row (from 1) and value of the first text in a column that otherwise consists of numbers."""
    import pandas as pd

    if kind_of(series) != "category":
        return None
    present = series.dropna()
    # Distinct values only, because most texts repeat.
    codes, values = pd.factorize(present)
    is_number = pd.to_numeric(pd.Series(values), errors="coerce").notna().to_numpy()[codes]
    # If all values are numbers, they are codes such as 007 that are meant as text. A word among numbers is a mistake.
    if is_number.mean() < _MOSTLY or is_number.all():
        return None
    position = int((~is_number).argmax())
    row = int(series.notna().to_numpy().nonzero()[0][position])
    return row + 1, str(present.iloc[position])


def conformed(series: pd.Series[Any], kind: Kind) -> pd.Series[Any]:
    """Convert a column to what the preprocessor works on: floats, texts with NaN, or dates without a time zone.

    Raises
    ------
    InvalidInput
        ``wrong_type``: a value is not of the kind. ``infinite_values``.
    """
    import numpy as np
    import pandas as pd

    if kind == "category":
        if isinstance(series.dtype, pd.StringDtype):
            return series.astype(object).where(series.notna(), np.nan)
        return series.astype(object).where(series.isna(), series.map(str)).where(series.notna(), np.nan)
    values = _dates(series) if kind == "date" else _numbers(series)
    lost = values.isna() & series.notna()
    if lost.any():
        raise _wrong_type(series, kind, int(np.flatnonzero(lost.to_numpy())[0]))
    if kind == "number" and np.isinf(values.to_numpy()).any():
        row = int(np.flatnonzero(np.isinf(values.to_numpy()))[0])
        raise InvalidInput(
            "infinite_values",
            rule="Numbers must be finite; unknown values must be left empty.",
            found=f"infinity in row {row + 1} of column {series.name!r}.",
            next_step="Leave such values empty, or clip them.",
            field=str(series.name),
        )
    return values


def _numbers(series: pd.Series[Any]) -> pd.Series[Any]:
    import numpy as np
    import pandas as pd

    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return series.astype(float)
    return pd.to_numeric(series.astype(object).where(series.notna(), np.nan), errors="coerce").astype(float)


def _dates(series: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    return pd.to_datetime(series, errors="coerce", utc=True, format="ISO8601").dt.tz_localize(None)


def _wrong_type(series: pd.Series[Any], kind: Kind, row: int) -> InvalidInput:
    return InvalidInput(
        "wrong_type",
        rule=f"Column {series.name!r} must contain a {kind} in each row, or nothing.",
        found=f"{str(series.iloc[row])[:100]!r} in row {row + 1}.",
        next_step="Correct the value or leave it empty.",
        field=str(series.name),
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
