"""Looks for columns that give the target away, and for rows that stand in training and in test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actions.data_preparation.columns import Column, conformed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_FEWEST_ROWS = 10
_FEWEST_ROWS_A_CLASS = 5
_FEW_ROWS_A_VALUE = 10
_MANY_VALUES = 20
_FIRST_LOOK = 20_000
_SAME = 0.9999


class Leaks:
    """Tells of a column whether the target can be read off it.

    Rows without a target are left out. Of many rows a random part is looked at first: what does not hold there does not
    hold of all.

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
        self._are_classes = len(classes) <= _MANY_VALUES or not pd.api.types.is_numeric_dtype(values)
        self._numbers = values.to_numpy(dtype=float, na_value=np.nan) if _is_numeric(values) else None
        everything = np.flatnonzero(self._codes >= 0)
        chosen = np.random.default_rng(0).permutation(everything)[:_FIRST_LOOK]
        self._looks = [chosen, everything] if len(everything) > _FIRST_LOOK else [everything]

    def found(self, column: Column) -> str:
        """Return what gives the target away, as the subject of a sentence; nothing where nothing does."""
        values = self._frame[column.name]
        if len(self._looks[0]) < _FEWEST_ROWS:
            return ""
        if all(self._tells(values.iloc[rows], rows) for rows in self._looks):
            return f"column {column.name!r}"
        if column.missing and all(self._missing_tells(values.iloc[rows], rows) for rows in self._looks):
            return f"whether there is a value in column {column.name!r}"
        return ""

    def _tells(self, values: pd.Series[Any], rows: np.ndarray[Any, Any]) -> bool:
        import numpy as np
        import pandas as pd

        if _is_numeric(values):
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            known = np.isfinite(numbers)
            numbers, codes = numbers[known], self._codes[rows][known]
            if len(numbers) < _FEWEST_ROWS or numbers.min() == numbers.max():
                return False
            if self._numbers is not None and _move_together(numbers, self._numbers[rows][known]):
                return True
            return self._are_classes and (_separates(numbers, codes) or _each_has_one(pd.factorize(numbers)[0], codes))
        of_value, _ = pd.factorize(values)
        known = of_value >= 0
        return known.sum() >= _FEWEST_ROWS and _each_has_one(of_value[known], self._codes[rows][known])

    def _missing_tells(self, values: pd.Series[Any], rows: np.ndarray[Any, Any]) -> bool:
        missing, codes = values.isna().to_numpy(), self._codes[rows]
        if not self._are_classes or min(missing.sum(), (~missing).sum()) < _FEWEST_ROWS_A_CLASS:
            return False
        here = codes[missing]
        return bool((here == here[0]).all() and not (codes[~missing] == here[0]).any())


class AlikeRows:
    """Finds rows that are the same, and those that are the same in all but their target.

    Rows are compared by a 64-bit digest first, and what seems alike value by value.

    Parameters
    ----------
    frame
        The data.
    target
        The column to predict, if one is known.
    """

    def __init__(self, frame: pd.DataFrame, target: str | None) -> None:
        import pandas as pd

        features = frame.drop(columns=target) if target is not None and target in frame else frame
        digests = pd.Series(pd.util.hash_pandas_object(features, index=False).to_numpy())
        self._places = digests.duplicated(keep=False).to_numpy().nonzero()[0]
        self._frame = frame.iloc[self._places]
        self._features = features.iloc[self._places]
        self._target = self._frame[target] if target is not None and target in frame else None

    def repeated(self) -> np.ndarray[Any, Any]:
        """Return the rows (from 0) that are like an earlier one in each column."""
        repeated: np.ndarray[Any, Any] = self._places[self._frame.duplicated().to_numpy()]
        return repeated

    def contradicting(self) -> np.ndarray[Any, Any]:
        """Return the rows (from 0) that are like another one with another target."""
        if self._target is None or not len(self._places) or not len(self._features.columns):
            return self._places[:0]
        alike = self._features.groupby(list(self._features.columns), dropna=False, sort=False).ngroup()
        targets = self._target.groupby(alike.to_numpy()).transform("nunique")
        return self._places[(targets > 1).to_numpy()]


def repeated_from(frame: pd.DataFrame, columns: Sequence[Column], reference: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Tell for each row whether the reference has the same one, by the columns that both have.

    Numbers are compared as numbers and dates as dates, so that the same rows from another format are the same.
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
    """Tell whether two columns are the same up to their unit, or one rises strictly with the other."""
    import numpy as np

    known = np.isfinite(other)
    one, other = one[known], other[known]
    if len(one) < _FEWEST_ROWS or other.min() == other.max():
        return False
    if abs(float(np.corrcoef(one, other)[0, 1])) > _SAME:
        return True
    in_order = other[np.argsort(one, kind="stable")]
    steps = np.diff(in_order)
    strictly = len(np.unique(one)) == len(one) and len(np.unique(other)) > _MANY_VALUES
    return strictly and bool((steps >= 0).all() or (steps <= 0).all())


def _separates(numbers: np.ndarray[Any, Any], codes: np.ndarray[Any, Any]) -> bool:
    """Tell whether each class has a range of numbers of its own."""
    import numpy as np

    sizes = np.bincount(codes)
    sizes = sizes[sizes > 0]
    if len(sizes) < 2 or sizes.min() < _FEWEST_ROWS_A_CLASS:  # noqa: PLR2004  # one class is no class
        return False
    order = np.lexsort((codes, numbers))
    numbers, codes = numbers[order], codes[order]
    changes = np.flatnonzero(np.diff(codes))
    return len(changes) == len(sizes) - 1 and bool((numbers[changes] < numbers[changes + 1]).all())


def _each_has_one(of_value: np.ndarray[Any, Any], codes: np.ndarray[Any, Any]) -> bool:
    """Tell whether each of a few values goes with one class alone."""
    import numpy as np

    values = int(of_value.max()) + 1 if len(of_value) else 0
    if values < 2 or values > max(_MANY_VALUES, len(codes) // _FEW_ROWS_A_VALUE):  # noqa: PLR2004  # a constant tells nothing
        return False
    first = np.full(values, -1)
    first[of_value[::-1]] = codes[::-1]
    return bool((first[of_value] == codes).all())
