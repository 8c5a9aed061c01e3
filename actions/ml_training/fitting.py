"""Fits one estimator behind a fitted preprocessor; knows frames, but neither URIs nor files."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from actions.contracts.request import Scalar, Task
from actions.errors import InvalidInput
from actions.ml_training.algorithms.registry import new_estimator, settled
from actions.ml_training.errors import is_out_of_memory, out_of_memory, refused_by_library
from actions.ml_training.progress import Curves, Watch
from actions.ml_training.recipe import Recipe
from actions.models.feature_blocks import features_of, features_to_train_on, layout_for
from actions.models.scores import Scores, classification_scores, regression_scores
from actions.models.targets import target_values

if TYPE_CHECKING:
    import pandas as pd

Parts = dict[str, tuple[Any, Any]]

_VALUES_THAT_PAY_FOR_THREADS = 500_000


@dataclass(frozen=True)
class Fitted:
    """A fitted model and what was seen while it was fitted."""

    pipeline: Any
    classes: list[Scalar] | None
    metrics: dict[str, float]
    curves: Curves
    warnings: list[str]
    seconds: float


def fit_pipeline(
    recipe: Recipe, preprocessor: Any, train: pd.DataFrame, validation: pd.DataFrame | None, watch: Watch
) -> Fitted:
    """Fit the estimator on training rows; validation rows are only watched.

    Raises
    ------
    InvalidInput
        ``one_class_in_training``, ``constant_target_in_training``, ``no_validation_rows``, ``training_refused``,
        ``loss_not_finite``.
    Unavailable
        ``out_of_memory``.
    Interrupted
        ``training_interrupted``.
    """
    from sklearn.pipeline import Pipeline

    parts, said = prepared_parts(recipe, preprocessor, train, validation)
    estimator, warned, seconds = fit_estimator(recipe, parts, watch)
    scored = {part: scores_of(recipe.task, estimator, *values) for part, values in parts.items()}
    return Fitted(
        pipeline=Pipeline([("preprocessor", preprocessor), ("estimator", settled(estimator, to_save=True))]),
        classes=[label.item() if hasattr(label, "item") else label for label in estimator.classes_]
        if recipe.task == "classification"
        else None,
        metrics={
            f"{part}_{name}": value
            for part, scores in scored.items()
            for name, value in scores.items()
            if value is not None and math.isfinite(value)
        },
        curves=watch.curves,
        warnings=[*said, *warned][:20],
        seconds=seconds,
    )


def prepared_parts(
    recipe: Recipe, preprocessor: Any, train: pd.DataFrame, validation: pd.DataFrame | None
) -> tuple[Parts, list[str]]:
    """Return training rows and, where there are any that can be scored, validation rows, as arrays; and what to warn of."""
    target = target_values(train, recipe.target, recipe.task)
    raw = train.drop(columns=recipe.target)
    parts = {"train": (features_to_train_on(preprocessor, raw, target, layout_for(recipe.algorithm)), target)}
    _check_varies(recipe, target)
    said: list[str] = []
    if validation is not None and len(validation):
        parts |= _watchable(recipe, _prepared(recipe, preprocessor, validation), parts["train"][1], said)
    return parts, said


def fit_estimator(recipe: Recipe, parts: Parts, watch: Watch) -> tuple[Any, list[str], float]:
    """Fit an estimator on arrays; return it with what the library warned of and the seconds that it took."""
    _check_watched(recipe, parts)
    rows = parts["train"][0]
    estimator = _unfitted(recipe, rows.size)
    watch.report(f"fitting {recipe.algorithm} on {len(rows)} rows")
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _fit(estimator, parts, recipe, watch)
    seconds = time.perf_counter() - started
    warned = sorted({f"{warning.category.__name__}: {warning.message}"[:500] for warning in caught})
    return settled(estimator, to_save=False), warned, seconds


def scores_of(task: Task, estimator: Any, rows: Any, target: Any) -> Scores:
    """Return the figures of a fitted estimator on preprocessed rows."""
    if task == "regression":
        return regression_scores(target, np.asarray(estimator.predict(rows), dtype=float))
    return classification_scores(target, np.asarray(estimator.predict_proba(rows), dtype=float), estimator.classes_)


def _unfitted(recipe: Recipe, values: int) -> Any:
    cores = -1 if values >= _VALUES_THAT_PAY_FOR_THREADS else 1
    given = dict(recipe.hyperparameters)
    if recipe.algorithm == "xgboost" and "device" not in given:
        from actions.ml_training.algorithms.xgboost import usual_device

        if (device := usual_device(values, _VALUES_THAT_PAY_FOR_THREADS)) is not None:
            given["device"] = device
    return new_estimator(recipe.task, recipe.algorithm, given, recipe.seed, cores)


def _check_varies(recipe: Recipe, target: Any) -> None:
    """Refuse training rows that show one case only; the data as a whole may show more."""
    if (target != target[0]).any():
        return
    classes = recipe.task == "classification"
    raise InvalidInput(
        "one_class_in_training" if classes else "constant_target_in_training",
        rule="The training rows show at least two " + ("classes." if classes else "different values of the target."),
        found=f"{recipe.target!r} is {str(target[0])[:100]!r} in each of the {len(target)} training rows.",
        next_step="Split the data so that each class is in the training rows (strategy stratified), or give other data."
        if classes
        else "Split the data in another way, or choose another target.",
        field="target",
    )


def _watchable(recipe: Recipe, validation: tuple[Any, Any], trained_on: Any, said: list[str]) -> Parts:
    """Return the validation rows that can be scored: those of classes that the training rows have."""
    rows, target = validation
    if recipe.task == "regression":
        return {"validation": validation}
    known = np.isin(target, np.unique(trained_on))
    if not known.all():
        strange = ", ".join(repr(str(label)) for label in np.unique(target[~known])[:10])
        said.append(f"{int((~known).sum())} validation rows are of classes that no training row has: {strange}.")
    if not known.any():
        return {}
    if len(np.unique(target[known])) == 1:
        only = str(target[known][0])[:100]
        said.append(f"All validation rows are of class {only!r}: they say little about a classifier.")
    return {"validation": (rows if known.all() else rows[known], target[known])}


def _check_watched(recipe: Recipe, parts: Parts) -> None:
    """Refuse to stop early by rows that are not there."""
    name = {"xgboost": "early_stopping_rounds", "neural_network": "patience"}.get(recipe.algorithm, "")
    asked = recipe.hyperparameters.get(name)
    if asked is None or "validation" in parts:
        return
    raise InvalidInput(
        "no_validation_rows",
        rule=f"{name} stops a training by its loss on validation rows.",
        found=f"{name}: {asked!r}, and no validation rows.",
        next_step=f"Give validation rows, or leave {name} out.",
        field="hyperparameters",
    )


def _prepared(recipe: Recipe, preprocessor: Any, frame: pd.DataFrame) -> tuple[Any, Any]:
    features = features_of(preprocessor, frame.drop(columns=recipe.target), layout_for(recipe.algorithm))
    return features, target_values(frame, recipe.target, recipe.task)


def _fit(estimator: Any, parts: Parts, recipe: Recipe, watch: Watch) -> None:
    """Fit by the way of the algorithm; what goes wrong is told as what it is."""
    rows, target = parts["train"]
    try:
        if recipe.algorithm == "xgboost":
            from actions.ml_training.algorithms.xgboost import fit_boosted

            fit_boosted(estimator, rows, target, list(parts.values()), watch)
        elif recipe.algorithm == "random_forest":
            from actions.ml_training.algorithms.random_forest import fit_forest

            fit_forest(estimator, rows, target, watch)
        elif recipe.algorithm == "neural_network":
            estimator.fit(rows, target, eval_set=list(parts.values()), watch=watch)
        else:
            estimator.fit(rows, target)
    except (MemoryError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise out_of_memory(recipe.algorithm, rows.shape, error) from error
        if isinstance(error, ValueError):
            raise refused_by_library(recipe.algorithm, error) from error
        raise
