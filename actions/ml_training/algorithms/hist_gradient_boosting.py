"""Histogram-based gradient boosting (scikit-learn): reported round by round, stopped early, and resumed from checkpoints.

A resumed training ends in the same model: with ``warm_start``, the library continues with the predictions, and the random
generator, of the rounds before.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from actions.ml_training.algorithm import MIN_VALUES_FOR_THREADS, Algorithm, Hyperparameters, Parts
from actions.ml_training.rules import Rule, is_set, stops_before_the_last_round
from actions.ml_training.search_space import Range

if TYPE_CHECKING:
    from actions.ml_training.progress import TrainingProgress

_STEP = "boosting round"
_TRUSTED_TYPES = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)


def _build(task: str, hyperparameters: Hyperparameters, seed: int, cores: int) -> Any:  # noqa: ARG001  # see _limited_threads
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind: Any = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    # By default the library would hold out training rows. Here the validation rows decide, and only if asked to.
    return kind(**hyperparameters, early_stopping="n_iter_no_change" in hyperparameters, random_state=seed)


def _fit(estimator: Any, parts: Parts, progress: TrainingProgress) -> None:
    rows, target = parts["train"]
    names = ("early_stopping", "n_iter_no_change", "validation_fraction", "warm_start")
    given = {name: estimator.get_params()[name] for name in names}
    total = estimator.max_iter
    # The library records losses only where it may stop early: unless asked to, it may, but never has reason to.
    patience = given["n_iter_no_change"] if given["early_stopping"] else total + 1
    recording = {"early_stopping": True, "n_iter_no_change": patience, "validation_fraction": None, "warm_start": True}
    validation = dict(zip(("X_val", "y_val"), parts["validation"], strict=True)) if "validation" in parts else {}
    _resume(estimator, progress)
    with _limited_threads(rows.size), _reported(estimator, progress, total, len(rows)):
        try:
            estimator.set_params(**recording).fit(rows, target, **validation)
        finally:
            estimator.set_params(**given)


@contextmanager
def _reported(estimator: Any, progress: TrainingProgress, total: int, row_count: int) -> Iterator[None]:
    """Report each round of a fit.

    The library has no callbacks, but after each round it asks a method of the estimator whether to stop. Fitting a few rounds
    at a time instead would bin the rows each time, which with class weights takes longer than the rounds.
    """
    has_stopped = estimator._check_early_stopping_loss  # noqa: SLF001  # see above; the tests notice when it is gone

    def after_round(*arguments: Any, **keywords: Any) -> bool:
        stops = bool(has_stopped(*arguments, **keywords))
        done = len(estimator.train_score_) - 1
        if done == 0:  # the losses before the first round
            return stops
        losses = _losses(estimator, done)
        if stops:
            progress.add_losses(_STEP, done, losses)
            progress.report_round(_STEP, done, total, losses, row_count)
        else:
            progress.after_round(_STEP, done, total, losses, row_count, lambda: _checkpoint(estimator))
        return stops

    estimator._check_early_stopping_loss = after_round  # noqa: SLF001
    try:
        yield
    finally:
        del estimator._check_early_stopping_loss  # noqa: SLF001


def _checkpoint(estimator: Any) -> bytes:
    """Return an estimator that is being fitted, as it would be had its fit ended here."""
    import numpy as np

    from actions.storage.skops_file import fitted_to_bytes

    ended = copy.copy(estimator)
    for name in ("_check_early_stopping_loss", "_in_fit"):
        delattr(ended, name)
    for name in ("train_score_", "validation_score_"):
        setattr(ended, name, np.asarray(getattr(ended, name)))
    return fitted_to_bytes(ended)


def _resume(estimator: Any, progress: TrainingProgress) -> None:
    """Continue from the checkpoint, if there is one."""
    from actions.storage.skops_file import fitted_from_bytes

    content = progress.checkpoint()
    if content is None:
        return
    vars(estimator).update(vars(fitted_from_bytes(content, _TRUSTED_TYPES)))
    progress.resume_from(estimator.n_iter_, {})
    for number in range(1, estimator.n_iter_ + 1):
        progress.add_losses(_STEP, number, _losses(estimator, number))


def _losses(estimator: Any, number: int) -> dict[str, dict[str, float]]:
    """Return the losses after a round. The library records them as scores, and half of the squared error."""
    loss = estimator.get_params()["loss"]
    name, factor = ("mse", 2.0) if loss == "squared_error" else (loss, 1.0)
    scores = {"train": estimator.train_score_, "validation": estimator.validation_score_}
    return {part: {name: -factor * float(values[number])} for part, values in scores.items() if len(values)}


def _limited_threads(values: int) -> AbstractContextManager[Any]:
    """Use one thread for small tables. The library has no parameter for this; the threads do not affect the model."""
    from threadpoolctl import threadpool_limits

    return nullcontext() if values >= MIN_VALUES_FOR_THREADS else threadpool_limits(1, user_api="openmp")


ALGORITHM = Algorithm(
    name="hist_gradient_boosting",
    title="Histogram gradient boosting",
    tasks=("classification", "regression"),
    library="scikit-learn",
    modules=("sklearn.ensemble",),
    packages=("scikit-learn",),
    example_override="learning_rate=0.05",
    trusted_types=_TRUSTED_TYPES,
    build=_build,
    fit=_fit,
    search_space={
        "max_iter": Range(low=50, high=500, step=50),
        "learning_rate": Range(low=0.01, high=0.3, log=True),
        "max_leaf_nodes": Range(low=8, high=128, log=True),
        "min_samples_leaf": Range(low=5, high=100, log=True),
        "l2_regularization": Range(low=1e-3, high=10.0, log=True),
        "max_features": Range(low=0.5, high=1.0),
    },
    reserved={
        "categorical_features": "categories are one-hot encoded",
        "early_stopping": "n_iter_no_change turns it on",
        "scoring": "early stopping uses the loss",
        "validation_fraction": "early stopping uses the validation rows",
    },
    aliases={
        "n_estimators": "max_iter",
        "num_leaves": "max_leaf_nodes",
        "reg_lambda": "l2_regularization",
        "min_child_samples": "min_samples_leaf",
        "early_stopping_rounds": "n_iter_no_change",
        "patience": "n_iter_no_change",
    },
    rules=(
        stops_before_the_last_round("n_iter_no_change", "max_iter", 100),
        Rule(
            ("tol", "n_iter_no_change"),
            lambda given: is_set(given, "tol") and not is_set(given, "n_iter_no_change"),
            "tol is part of early stopping, which only n_iter_no_change turns on.",
            "Add n_iter_no_change, or remove tol.",
        ),
    ),
    rounds="max_iter",
    early_stopping="n_iter_no_change",
    reports_losses=True,
    can_be_interrupted=True,
    keeps_checkpoints=True,
    memory_advice="Lower max_leaf_nodes or max_bins",
    answers_depend_on_threads=False,
)
