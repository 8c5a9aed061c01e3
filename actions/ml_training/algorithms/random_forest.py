"""Random forests (scikit-learn), fitted a few trees at a time so that progress is visible and training can be
interrupted.

The trees are those of a single fit: with ``warm_start``, scikit-learn draws each tree's seed as a single fit would.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

from actions.contracts.algorithm import Layout
from actions.ml_training.algorithm import Algorithm, Hyperparameters, Parts
from actions.ml_training.rules import Rule, is_set
from actions.ml_training.search_space import Range

if TYPE_CHECKING:
    from actions.ml_training.progress import TrainingProgress

_FIRST_STEP = 10
_SECONDS_PER_STEP = 5.0


def _build(task: str, hyperparameters: Hyperparameters, seed: int, cores: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    forest = RandomForestClassifier if task == "classification" else RandomForestRegressor
    return forest(**hyperparameters, random_state=seed, n_jobs=cores)


def _fit(forest: Any, parts: Parts, progress: TrainingProgress) -> None:
    rows, target = parts["train"]
    total = forest.n_estimators
    done, step = 0, min(_FIRST_STEP, total)
    parameters = {"n_estimators": total, "warm_start": False, "oob_score": forest.oob_score}
    try:
        while done < total:
            started = time.perf_counter()
            last = done + step >= total
            done = min(done + step, total)
            # The out-of-bag score is computed once, with the last trees.
            oob_score = parameters["oob_score"] if last else False
            forest.set_params(n_estimators=done, warm_start=True, oob_score=oob_score)
            with warnings.catch_warnings():
                # Balanced class weights are recomputed with each step, from the same rows.
                warnings.filterwarnings("ignore", message="class_weight presets")
                forest.fit(rows, target)
            progress.report_round("growing trees", done, total, {}, len(rows))
            progress.stop_if_interrupted("growing trees: tree", done, total)
            seconds_per_tree = (time.perf_counter() - started) / step
            step = max(int(_SECONDS_PER_STEP / max(seconds_per_tree, 1e-6)), 1)
    finally:
        forest.set_params(**parameters)


ALGORITHM = Algorithm(
    name="random_forest",
    title="Random forest",
    tasks=("classification", "regression"),
    library="scikit-learn",
    modules=("sklearn.ensemble",),
    packages=("scikit-learn",),
    example_override="n_estimators=500",
    layout=Layout(dtype="float32"),  # what its trees compute with: half the memory, the same model
    trusted_types=("sklearn.tree._tree.Tree",),
    build=_build,
    fit=_fit,
    search_space={
        "n_estimators": Range(low=50, high=300, step=50),
        "max_depth": Range(low=2, high=32, log=True),
        "min_samples_leaf": Range(low=1, high=20, log=True),
        "max_features": Range(low=0.1, high=1.0),
    },
    rules=(
        Rule(
            ("bootstrap", "max_samples"),
            lambda given: given.get("bootstrap") is False and is_set(given, "max_samples"),
            "max_samples is the number of rows drawn for each tree; with bootstrap: false no rows are drawn.",
        ),
        Rule(
            ("bootstrap", "oob_score"),
            lambda given: given.get("bootstrap") is False and is_set(given, "oob_score", False),
            "oob_score is measured on rows that a tree did not draw; with bootstrap: false no rows are drawn.",
        ),
    ),
    rounds="n_estimators",
    left_out_of_rehearsal=("max_samples",),
    can_be_interrupted=True,
    checkpoint_note="Its trees would make large checkpoints.",
    memory_advice="Lower n_estimators or max_depth, or raise min_samples_leaf",
)
