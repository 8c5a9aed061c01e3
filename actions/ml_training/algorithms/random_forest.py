"""Fits a random forest a few trees at a time, so that it can be told of and ended; the trees are those of one fit.

scikit-learn's ``warm_start`` draws each tree's seed as a single fit would.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

from actions.ml_training.interruption import interrupted
from actions.ml_training.progress import Watch

_FIRST = 10
_SECONDS_A_TIME = 5.0


def fit_forest(forest: Any, rows: Any, target: Any, watch: Watch) -> None:
    """Fit a forest.

    Raises
    ------
    Interrupted
        ``training_interrupted``: a forest keeps no checkpoint.
    """
    total = forest.n_estimators
    done, step = 0, min(_FIRST, total)
    parameters = {"n_estimators": total, "warm_start": False}
    # What is computed on rows that a tree has not drawn is computed once, in the end.
    oob_score = forest.oob_score
    try:
        while done < total:
            started = time.perf_counter()
            last = done + step >= total
            done = min(done + step, total)
            forest.set_params(n_estimators=done, warm_start=True, oob_score=oob_score if last else False)
            with warnings.catch_warnings():
                # Weights of balanced classes are computed afresh each time, from the same rows.
                warnings.filterwarnings("ignore", message="class_weight presets")
                forest.fit(rows, target)
            watch.tell("growing trees", done, total, {}, len(rows))
            if watch.told() and done < total:
                raise interrupted(done, total, "growing trees: tree", kept=False)
            took = (time.perf_counter() - started) / step
            step = max(int(_SECONDS_A_TIME / max(took, 1e-6)), 1)
    finally:
        forest.set_params(**parameters, oob_score=oob_score)
