"""Converts raw rows to features, one block of rows at a time.

scikit-learn's ``ColumnTransformer`` holds the output of each branch as well as their concatenation. For a million rows
that is a gigabyte twice over. Imports heavy libraries; import it inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from actions.contracts.algorithm import Layout
from actions.data_preparation.transformers import training_features

BLOCK_ROWS = 50_000
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
        How the features are stored: data type and order.
    """
    return apply_in_blocks(preprocessor, rows, lambda features: features, layout)


def features_for_training(
    preprocessor: Any, rows: pd.DataFrame, target: Any, layout: Layout = _DEFAULT
) -> np.ndarray[Any, Any]:
    """Return the features to train on, of the rows that a preprocessor was fitted on (see ``training_features``)."""
    if "target" in preprocessor[1].named_transformers_:
        return np.asarray(training_features(preprocessor, rows, target), layout.dtype, layout.order)
    return features_of(preprocessor, rows, layout)


def apply_in_blocks(
    preprocessor: Any, rows: pd.DataFrame, function: Callable[[Any], Any], layout: Layout | None = None
) -> np.ndarray[Any, Any]:
    """Apply a function to the features of raw rows, block by block, and return the concatenated results.

    Parameters
    ----------
    preprocessor
        A fitted preprocessor.
    rows
        The rows, without the target.
    function
        Maps the features of some rows to an array with one entry (or one row) for each of them.
    layout
        How the results are stored; None leaves them as they are.
    """
    # All rows at once, so that an error names the right row number.
    columns = preprocessor[0].transform(rows)
    rest = preprocessor[1:]
    results: np.ndarray[Any, Any] | None = None
    for start in range(0, len(columns), BLOCK_ROWS):
        block = np.asarray(function(rest.transform(columns.iloc[start : start + BLOCK_ROWS])))
        if len(block) == len(columns):
            return block if layout is None else np.asarray(block, layout.dtype, layout.order)
        if results is None:
            dtype: Any = block.dtype if layout is None else layout.dtype
            results = np.empty((len(columns), *block.shape[1:]), dtype, layout.order if layout else "C")
        results[start : start + len(block)] = block
    if results is None:
        raise ValueError("there are no rows")
    return results
