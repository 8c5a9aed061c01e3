"""Permutation importance: how much worse a model gets when the values of a raw column are shuffled.

Imports heavy libraries; import it inside functions only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from actions.contracts.supervised import SupervisedTask
from actions.models.evaluation import Importance
from actions.models.saved_model import Model
from actions.models.scores import regression_scores
from actions.models.targets import target_values

IMPORTANCE_OF: dict[SupervisedTask, str] = {"classification": "accuracy", "regression": "r2"}
"""The metric whose loss is measured. Both are at most 1, so the importances of different models can be compared."""

_MAX_ROWS = 500
_MAX_COLUMNS = 100
_MAX_PREDICTIONS = 100_000
_BATCH_ROWS = 20_000
_MIN_REPEATS, _MAX_REPEATS = 2, 5


def permutation_importances(model: Model, frame: pd.DataFrame, seed: int) -> list[Importance]:
    """Return the permutation importance of each raw column, largest first; [] if there are too many columns.

    The results are those of ``sklearn.inspection.permutation_importance``, but many shuffled tables are predicted in
    one call. Behind a preprocessor of raw columns, a call costs ten times as much as its few rows, so this is 4 to 10
    times as fast. Wide tables are shuffled less often, so that this never takes longer than the rest of an evaluation.

    Parameters
    ----------
    model
        The model.
    frame
        Rows with the target.
    seed
        Seed for the choice of rows and for the shuffling.

    References
    ----------
    .. [1] L. Breiman: Random Forests, Machine Learning 45, 2001.
    """
    signature = model.signature
    all_columns = [column.name for column in signature.columns]
    columns = [column.name for column in signature.columns if column.kind != "ignored"]
    if not columns or len(columns) > _MAX_COLUMNS or len(frame) < 2:  # noqa: PLR2004 - nothing to shuffle
        return []
    rows = frame.sample(min(len(frame), _MAX_ROWS), random_state=seed)
    truth, raw = target_values(rows, signature.target, signature.task), rows[all_columns]
    repeats = int(np.clip(_MAX_PREDICTIONS // (len(columns) * len(rows)), _MIN_REPEATS, _MAX_REPEATS))
    generator = np.random.default_rng(seed)
    unshuffled = _score(signature.task, truth, model.predict(raw))
    if unshuffled is None:
        return []
    importances = []
    batch_size = max(1, _BATCH_ROWS // (len(rows) * repeats))
    for start in range(0, len(columns), batch_size):
        batch = columns[start : start + batch_size]
        predicted = np.asarray(model.predict(_shuffled(raw, batch, repeats, generator)))
        for name, blocks in zip(batch, predicted.reshape(len(batch), repeats, len(rows)), strict=True):
            losses = [unshuffled - (_score(signature.task, truth, block) or 0.0) for block in blocks]
            importances.append(Importance(column=name, mean=np.mean(losses), standard_deviation=np.std(losses)))
    return sorted(importances, key=lambda importance: (-importance.mean, importance.column))


def _shuffled(raw: pd.DataFrame, columns: list[str], repeats: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return the rows repeated once per column and repeat, with that column's values shuffled in each copy."""
    size = len(raw)
    positions = np.tile(np.arange(size), len(columns) * repeats)
    table = {name: raw[name].take(positions).array for name in raw.columns if name not in columns}
    for number, name in enumerate(columns):
        shuffled = positions.copy()
        for block in range(number * repeats, (number + 1) * repeats):
            shuffled[block * size : (block + 1) * size] = generator.permutation(size)
        table[name] = raw[name].take(shuffled).array
    return pd.DataFrame(table)[list(raw.columns)]


def _score(task: SupervisedTask, truth: Any, predicted: Any) -> float | None:
    """Return accuracy or R2, or None if all true values are the same number."""
    if task == "classification":
        return float((np.asarray(predicted) == truth).mean())
    return regression_scores(truth, np.asarray(predicted, dtype=float))["r2"]
