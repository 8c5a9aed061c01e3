"""How much a model leans on each raw column: how much worse it gets when the column's values are shuffled.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from actions.ml_evaluation.results import Importance
from actions.ml_training.artifact import Model
from actions.ml_training.fitting import target_values
from actions.request import Task

IMPORTANCE_OF: dict[Task, str] = {"classification": "accuracy", "regression": "r2"}
"""The metric whose loss is the importance: bounded above, so that figures of different models can be compared."""

_MOST_ROWS = 500
_MOST_COLUMNS = 100
_PREDICTIONS = 100_000
_REPEATS, _FEWEST_REPEATS = 5, 2


def importances(model: Model, frame: pd.DataFrame, seed: int) -> list[Importance]:
    """Return the permutation importance of each raw column, the largest first; of too many columns, none.

    Wide tables are shuffled less often, and on fewer rows, so that this never costs more than the rest of an evaluation.

    References
    ----------
    .. [1] L. Breiman: Random Forests, Machine Learning 45, 2001; as in scikit-learn's ``permutation_importance``.
    """
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import accuracy_score, r2_score

    made = model.signature
    columns = [column.name for column in made.columns if column.kind != "ignored"]
    if not columns or len(columns) > _MOST_COLUMNS or len(frame) < 2:  # noqa: PLR2004 - nothing to shuffle
        return []
    rows = frame.sample(min(len(frame), _MOST_ROWS), random_state=seed)
    truth = target_values(rows, made.target, made.task)
    score = accuracy_score if made.task == "classification" else r2_score

    def scored(_: Any, shuffled: pd.DataFrame, target: Any) -> float:
        return float(score(target, model.predict(shuffled)))

    found = permutation_importance(
        _Fitted(),
        rows[[column.name for column in made.columns]],
        truth,
        scoring=scored,
        n_repeats=int(np.clip(_PREDICTIONS // (len(columns) * len(rows)), _FEWEST_REPEATS, _REPEATS)),
        random_state=seed,
    )
    means = dict(zip((column.name for column in made.columns), found.importances_mean, strict=True))
    spreads = dict(zip((column.name for column in made.columns), found.importances_std, strict=True))
    known = [name for name in columns if np.isfinite(means[name])]
    return [
        Importance(column=name, mean=float(means[name]), standard_deviation=float(spreads[name]))
        for name in sorted(known, key=lambda name: (-means[name], name))
    ]


class _Fitted:
    """Stands for the model where scikit-learn asks for an estimator; the scorer above has the model itself."""

    def fit(self, *_: Any) -> _Fitted:
        return self
