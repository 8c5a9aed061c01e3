"""How much a model leans on each raw column: how much worse it gets when the column's values are shuffled.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from actions.contracts.request import Task
from actions.models.evaluation import Importance
from actions.models.saved_model import Model
from actions.models.scores import regression_scores
from actions.models.targets import target_values

IMPORTANCE_OF: dict[Task, str] = {"classification": "accuracy", "regression": "r2"}
"""The metric whose loss is the importance: bounded above, so that figures of different models can be compared."""

_MOST_ROWS = 500
_MOST_COLUMNS = 100
_PREDICTIONS = 100_000
_AT_ONCE = 20_000
_REPEATS, _FEWEST_REPEATS = 5, 2


def importances(model: Model, frame: pd.DataFrame, seed: int) -> list[Importance]:
    """Return the permutation importance of each raw column, the largest first; of too many columns, none.

    Wide tables are shuffled less often, and on fewer rows, so that this never costs more than the rest of an evaluation.
    As scikit-learn's ``permutation_importance``, but many shuffled tables are predicted in one call: behind a preprocessor
    of raw columns a call costs ten times what its few rows do.

    Parameters
    ----------
    model
        The model.
    frame
        Rows with the target.
    seed
        Of the rows that are taken, and of the shuffling.

    References
    ----------
    .. [1] L. Breiman: Random Forests, Machine Learning 45, 2001.
    """
    made = model.signature
    every = [column.name for column in made.columns]
    columns = [column.name for column in made.columns if column.kind != "ignored"]
    if not columns or len(columns) > _MOST_COLUMNS or len(frame) < 2:  # noqa: PLR2004 - nothing to shuffle
        return []
    rows = frame.sample(min(len(frame), _MOST_ROWS), random_state=seed)
    truth, raw = target_values(rows, made.target, made.task), rows[every]
    repeats = int(np.clip(_PREDICTIONS // (len(columns) * len(rows)), _FEWEST_REPEATS, _REPEATS))
    generator = np.random.default_rng(seed)
    best = _score(made.task, truth, model.predict(raw))
    if best is None:
        return []
    found = []
    together = max(1, _AT_ONCE // (len(rows) * repeats))
    for start in range(0, len(columns), together):
        some = columns[start : start + together]
        answers = np.asarray(model.predict(_shuffled(raw, some, repeats, generator)))
        for name, blocks in zip(some, answers.reshape(len(some), repeats, len(rows)), strict=True):
            losses = [best - (_score(made.task, truth, block) or 0.0) for block in blocks]
            found.append(Importance(column=name, mean=np.mean(losses), standard_deviation=np.std(losses)))
    return sorted(found, key=lambda one: (-one.mean, one.column))


def _shuffled(raw: pd.DataFrame, columns: list[str], repeats: int, generator: np.random.Generator) -> pd.DataFrame:
    """Return the rows once for each column and repeat, below each other, with that column's values shuffled there."""
    size = len(raw)
    places = np.tile(np.arange(size), len(columns) * repeats)
    table = {name: raw[name].take(places).array for name in raw.columns if name not in columns}
    for number, name in enumerate(columns):
        mixed = places.copy()
        for block in range(number * repeats, (number + 1) * repeats):
            mixed[block * size : (block + 1) * size] = generator.permutation(size)
        table[name] = raw[name].take(mixed).array
    return pd.DataFrame(table)[list(raw.columns)]


def _score(task: Task, truth: Any, predicted: Any) -> float | None:
    """Return accuracy or R2; None where all true values are the same number."""
    if task == "classification":
        return float((np.asarray(predicted) == truth).mean())
    return regression_scores(truth, np.asarray(predicted, dtype=float))["r2"]
