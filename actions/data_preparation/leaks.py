"""Finds columns that reveal the target, repeated and contradicting rows, and rows shared by two data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actions.data_preparation.columns import Column, conformed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_MIN_ROWS = 10
_MIN_ROWS_PER_CLASS = 5
_MIN_ROWS_PER_VALUE = 10
_MAX_VALUES = 20
_SAMPLE = 20_000
_PERFECT_CORRELATION = 0.9999


class Leaks:
    """Detects columns from which the target can be read off.

    Rows without a target are ignored. A large data set is checked on a random sample first: what does not hold there
    cannot hold for all rows.

    Parameters
    ----------
    frame
        The data.
    target
        One of its columns.
    """

    def __init__(self, frame: pd.DataFrame, target: str) -> None:
        import numpy as np
        import pandas as pd

        self._frame = frame
        values = frame[target]
        self._codes, classes = pd.factorize(values)
        self._are_classes = len(classes) <= _MAX_VALUES or not pd.api.types.is_numeric_dtype(values)
        self._numbers = values.to_numpy(dtype=float, na_value=np.nan) if _is_numeric(values) else None
        all_rows = np.flatnonzero(self._codes >= 0)
        sample = np.random.default_rng(0).permutation(all_rows)[:_SAMPLE]
        self._passes = [sample, all_rows] if len(all_rows) > _SAMPLE else [all_rows]

    def describe(self, column: Column) -> str:
        """Return what reveals the target, as the subject of a sentence, or an empty text if nothing does."""
        values = self._frame[column.name]
        if len(self._passes[0]) < _MIN_ROWS:
            return ""
        if all(self._reveals(values.iloc[rows], rows) for rows in self._passes):
            return f"column {column.name!r}"
        if column.missing and all(self._gaps_reveal(values.iloc[rows], rows) for rows in self._passes):
            return f"whether column {column.name!r} has a value"
        return ""

    def _reveals(self, values: pd.Series[Any], rows: np.ndarray[Any, Any]) -> bool:
        import numpy as np
        import pandas as pd

        if _is_numeric(values):
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            known = np.isfinite(numbers)
            numbers, codes = numbers[known], self._codes[rows][known]
            if len(numbers) < _MIN_ROWS or numbers.min() == numbers.max():
                return False
            if self._numbers is not None and _move_together(numbers, self._numbers[rows][known]):
                return True
            return self._are_classes and (_separates(numbers, codes) or _determines(pd.factorize(numbers)[0], codes))
        value_codes, _ = pd.factorize(values)
        known = value_codes >= 0
        return known.sum() >= _MIN_ROWS and _determines(value_codes[known], self._codes[rows][known])

    def _gaps_reveal(self, values: pd.Series[Any], rows: np.ndarray[Any, Any]) -> bool:
        import numpy as np

        missing, codes = values.isna().to_numpy(), self._codes[rows]
        if not self._are_classes or min(missing.sum(), (~missing).sum()) < _MIN_ROWS_PER_CLASS:
            return False
        in_gaps = set(np.unique(codes[missing]))
        return len(in_gaps) == 1 and in_gaps.isdisjoint(np.unique(codes[~missing]))


class AlikeRows:
    """Finds rows that are equal, and rows that are equal except for their target.

    Rows are compared by a 64-bit hash first; only those with equal hashes are compared value by value.

    Parameters
    ----------
    frame
        The data.
    target
        The column to predict, if one is known.
    """

    def __init__(self, frame: pd.DataFrame, target: str | None) -> None:
        import numpy as np
        import pandas as pd

        features = frame.drop(columns=target) if target is not None and target in frame else frame
        digests = pd.Series(pd.util.hash_pandas_object(features, index=False).to_numpy())
        self._places = np.flatnonzero(digests.duplicated(keep=False))
        self._frame = frame.iloc[self._places]
        self._features = features.iloc[self._places]
        self._target = self._frame[target] if target is not None and target in frame else None

    def repeated(self) -> np.ndarray[Any, Any]:
        """Return the positions (from 0) of rows that equal an earlier row in every column."""
        repeated: np.ndarray[Any, Any] = self._places[self._frame.duplicated().to_numpy()]
        return repeated

    def contradicting(self) -> np.ndarray[Any, Any]:
        """Return the positions (from 0) of rows that equal another row with a different target."""
        if self._target is None or not len(self._features.columns):
            return self._places[:0]
        alike = self._features.groupby(list(self._features.columns), dropna=False, sort=False).ngroup()
        targets = self._target.groupby(alike.to_numpy()).transform("nunique")
        return self._places[(targets > 1).to_numpy()]


def repeated_from(frame: pd.DataFrame, columns: Sequence[Column], reference: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return for each row whether the reference contains it, judging by the columns that both have.

    Numbers are compared as numbers and dates as dates, so that rows from files of different formats can be equal.
    """
    import numpy as np

    kinds = {column.name: column.kind for column in columns if column.name in reference and column.kind != "ignored"}
    if not kinds:
        return np.zeros(len(frame), dtype=bool)
    return np.isin(_row_hashes(frame, kinds), _row_hashes(reference, kinds))


def _row_hashes(frame: pd.DataFrame, kinds: dict[str, Any]) -> np.ndarray[Any, Any]:
    import pandas as pd

    from actions.errors import InvalidInput

    def comparable(name: str, kind: Any) -> pd.Series[Any]:
        try:
            return conformed(frame[name], kind)
        except InvalidInput:
            return conformed(frame[name], "category")

    typed = pd.DataFrame({name: comparable(name, kind) for name, kind in kinds.items()})
    return pd.util.hash_pandas_object(typed, index=False).to_numpy()


def _is_numeric(values: pd.Series[Any]) -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_complex_dtype(values)


def _move_together(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """Return whether two columns are equal up to scale and offset, or one rises or falls strictly with the other."""
    import numpy as np

    known = np.isfinite(other)
    one, other = one[known], other[known]
    if len(one) < _MIN_ROWS or other.min() == other.max():
        return False
    if abs(float(np.corrcoef(one, other)[0, 1])) > _PERFECT_CORRELATION:
        return True
    in_order = other[np.argsort(one, kind="stable")]
    steps = np.diff(in_order)
    strictly = len(np.unique(one)) == len(one) and len(np.unique(other)) > _MAX_VALUES
    return strictly and bool((steps >= 0).all() or (steps <= 0).all())


def _separates(numbers: np.ndarray[Any, Any], codes: np.ndarray[Any, Any]) -> bool:
    """Return whether the classes occupy separate ranges of numbers."""
    import numpy as np

    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    if len(sizes) < 2 or sizes.min() < _MIN_ROWS_PER_CLASS:  # noqa: PLR2004  # one class separates nothing
        return False
    order = np.lexsort((codes, numbers))
    numbers, codes = numbers[order], codes[order]
    changes = np.flatnonzero(np.diff(codes))
    return len(changes) == len(sizes) - 1 and bool((numbers[changes] < numbers[changes + 1]).all())


def _determines(value_codes: np.ndarray[Any, Any], codes: np.ndarray[Any, Any]) -> bool:
    """Return whether each of a few values occurs with one class only."""
    import numpy as np

    values = int(value_codes.max()) + 1
    if values < 2 or values > max(_MAX_VALUES, len(codes) // _MIN_ROWS_PER_VALUE):  # noqa: PLR2004  # a constant tells nothing
        return False
    first_code = np.empty(values, dtype=codes.dtype)
    first_code[value_codes[::-1]] = codes[::-1]
    return bool((first_code[value_codes] == codes).all())
