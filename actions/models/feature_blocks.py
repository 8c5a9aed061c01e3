"""Raw rows as the numbers that libraries take, made a block of rows at a time.

scikit-learn's ``ColumnTransformer`` holds what each of its branches makes beside what it puts together of them: of a million
rows that is a table of a gigabyte twice. Heavy: imported inside functions alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from actions.contracts.algorithm import Layout
from actions.data_preparation.transformers import training_features

ROWS_AT_ONCE = 50_000
_DEFAULT = Layout()


def features_of(preprocessor: Any, rows: pd.DataFrame, layout: Layout = _DEFAULT) -> np.ndarray[Any, Any]:
    """Return the features of raw rows.

    Parameters
    ----------
    preprocessor
        A fitted preprocessor.
    rows
        The rows, without the target.
    layout
        How the features are kept.
    """
    return in_blocks(preprocessor, rows, lambda features: features, layout)


def features_to_train_on(
    preprocessor: Any, rows: pd.DataFrame, target: Any, layout: Layout = _DEFAULT
) -> np.ndarray[Any, Any]:
    """Return the features of the rows that a preprocessor was fitted on, as ``training_features`` gives them."""
    if "target" in preprocessor[1].named_transformers_:
        return np.asarray(training_features(preprocessor, rows, target), layout.dtype, layout.order)
    return features_of(preprocessor, rows, layout)


def in_blocks(
    preprocessor: Any, rows: pd.DataFrame, answer: Callable[[Any], Any], layout: Layout | None = None
) -> np.ndarray[Any, Any]:
    """Return what a function of features answers for raw rows.

    Parameters
    ----------
    preprocessor
        A fitted preprocessor.
    rows
        The rows, without the target.
    answer
        Takes the features of some of the rows, gives an array with an entry or a line for each of them.
    layout
        How the answers are kept; None: as they are.
    """
    # As a whole: what is wrong is told with the number of its row.
    known = preprocessor[0].transform(rows)
    rest = preprocessor[1:]
    found: np.ndarray[Any, Any] | None = None
    for start in range(0, len(known), ROWS_AT_ONCE):
        some = np.asarray(answer(rest.transform(known.iloc[start : start + ROWS_AT_ONCE])))
        if len(some) == len(known):
            return some if layout is None else np.asarray(some, layout.dtype, layout.order)
        if found is None:
            dtype: Any = some.dtype if layout is None else layout.dtype
            found = np.empty((len(known), *some.shape[1:]), dtype, layout.order if layout else "C")
        found[start : start + len(some)] = some
    if found is None:
        raise ValueError("there are no rows")
    return found
