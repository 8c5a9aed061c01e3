"""Reads the target column of a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from actions.contracts.supervised import SupervisedTask
from actions.data_preparation.columns import is_truth_values
from actions.errors import InvalidInput

if TYPE_CHECKING:
    import pandas as pd


def target_values(frame: pd.DataFrame, target: str, task: SupervisedTask) -> Any:
    """Return the target: floats for regression; for classification, the labels in their original form.

    Integers that became floats because values were missing become integers again.

    Raises
    ------
    InvalidInput
        ``target_has_missing_values``.
    """
    values = frame[target]
    if task == "regression":
        return values.to_numpy(dtype=float)
    if values.isna().any():
        raise _no_target(target)
    if is_truth_values(values):
        return values.to_numpy(dtype=bool)
    if values.dtype.kind == "f" and (values % 1 == 0).all():
        return values.to_numpy(dtype=np.int64)
    return values.to_numpy() if values.dtype.kind in "iub" else values.astype(str).to_numpy(dtype=object)


def _no_target(target: str) -> InvalidInput:
    return InvalidInput(
        "target_has_missing_values",
        rule="Each row to train or to evaluate on must have a target.",
        found=f"rows without {target!r}.",
        next_step="Remove these rows.",
        field="target",
    )
