"""The preprocessing steps that scikit-learn does not have; a saved model contains them.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from actions.data_preparation.checks import MOST_CATEGORIES
from actions.data_preparation.columns import Kind, conformed
from actions.data_preparation.sources import nearest_first
from actions.operation import InvalidInput

DATE_PARTS = ("year", "month", "day", "weekday", "hour", "days_since_1970")


class RawColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Takes raw rows and hands on the columns that the model uses, each in its known form.

    Parameters
    ----------
    kinds : dict of str to str
        What each column holds (``actions.data_preparation.columns.Kind``), in the order of the data. Ignored columns
        may be absent.
    """

    def __init__(self, kinds: dict[str, Kind]) -> None:
        self.kinds = kinds

    def fit(self, rows: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002  # scikit-learn's signature
        """Remember the columns; nothing is learnt from the rows."""
        self.feature_names_in_ = np.asarray(rows.columns, dtype=object)
        return self

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the used columns.

        Raises
        ------
        InvalidInput
            ``missing_columns``, ``unknown_columns``, ``wrong_type`` or ``infinite_values``.
        """
        names = [str(name) for name in rows.columns]
        needed = [name for name, kind in self.kinds.items() if kind != "ignored"]
        _check_columns(names, needed, list(self.kinds))
        return pd.DataFrame({name: conformed(rows[name], self.kinds[name]) for name in needed}, index=rows.index)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "feature_names_in_")


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Turns each date into its year, month, day, weekday, hour and days since 1970; a missing date into NaN."""

    def fit(self, dates: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002  # scikit-learn's signature
        self.feature_names_in_ = np.asarray(dates.columns, dtype=object)
        return self

    def transform(self, dates: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Return six numbers a date."""
        parts: list[Any] = []
        for name in dates.columns:
            day = pd.to_datetime(dates[name])
            parts += [day.dt.year, day.dt.month, day.dt.day, day.dt.day_of_week, day.dt.hour]
            parts.append((day - pd.Timestamp(0)) / pd.Timedelta(days=1))
        return np.column_stack([np.asarray(part, dtype=float) for part in parts])

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray[Any, Any]:  # noqa: ARG002
        names = [f"{name}_{part}" for name in self.feature_names_in_ for part in DATE_PARTS]
        return np.asarray(names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "feature_names_in_")


def _check_columns(names: list[str], needed: list[str], known: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    missing = [name for name in needed if name not in names]
    unknown = [name for name in names if name not in known]
    if not (twice or missing or unknown):
        return
    parts = {"missing": missing, "unknown": unknown, "repeated": twice}
    found = "; ".join(f"{what}: {nearest_first('', some)}" for what, some in parts.items() if some)
    reason = "missing_columns" if missing else "unknown_columns" if unknown else "duplicate_columns"
    first = (missing or unknown or twice)[0]
    raise InvalidInput(
        reason,
        rule="Rows have the columns that the model was trained on, without the target.",
        found=f"{found}.",
        next_step=f"The model's columns, those like {first!r} first: {nearest_first(first, known)}.",
        field=first,
    )


def build_preprocessor(kinds: dict[str, Kind]) -> Any:
    """Return an unfitted preprocessor for raw columns.

    Numbers: median where missing, then scaled. Categories: one-hot, at most 100 a column, a missing value is a category,
    unseen ones are ignored. Dates: their parts, then as numbers.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def filled() -> list[tuple[str, Any]]:
        return [("impute", SimpleImputer(strategy="median", keep_empty_features=True)), ("scale", StandardScaler())]

    steps: dict[Kind, Any] = {
        "number": Pipeline(filled()),
        "category": OneHotEncoder(handle_unknown="ignore", max_categories=MOST_CATEGORIES, sparse_output=False),
        "date": Pipeline([("parts", DateParts()), *filled()]),
    }
    by_kind = {kind: [name for name, known in kinds.items() if known == kind] for kind in steps}
    chosen = [(kind, step, by_kind[kind]) for kind, step in steps.items() if by_kind[kind]]
    return Pipeline([("columns", RawColumns(dict(kinds))), ("features", ColumnTransformer(chosen))])
