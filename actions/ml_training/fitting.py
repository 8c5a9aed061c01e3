"""Fits one estimator behind a fitted preprocessor; knows frames, but neither URIs nor files."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from actions.data_preparation.columns import is_truth_values
from actions.data_preparation.estimators import training_features
from actions.ml_evaluation.scores import classification_scores, regression_scores
from actions.ml_training.estimators import labelled, new_estimator, settled
from actions.ml_training.hyperparameters import fit
from actions.ml_training.recipe import Recipe
from actions.operation import InvalidInput, Report
from actions.request import Scalar, Task

if TYPE_CHECKING:
    import pandas as pd

Curves = dict[str, dict[str, list[float | None]]]

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
    recipe: Recipe, preprocessor: Any, train: pd.DataFrame, validation: pd.DataFrame | None, report: Report
) -> Fitted:
    """Fit the estimator on training rows; validation rows are only watched."""
    from sklearn.pipeline import Pipeline

    target = target_values(train, recipe.target, recipe.task)
    rows = training_features(preprocessor, train.drop(columns=recipe.target), target)
    parts = {"train": (rows, target)}
    if validation is not None and len(validation):
        parts["validation"] = _prepared(recipe, preprocessor, validation)
    cores = -1 if rows.size >= _VALUES_THAT_PAY_FOR_THREADS else 1
    bare = new_estimator(recipe.task, recipe.algorithm, dict(recipe.hyperparameters), recipe.seed, cores)
    estimator = labelled(bare, recipe.task, recipe.algorithm)
    report(f"fitting {recipe.algorithm} on {len(rows)} rows")
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _fit_or_name(estimator, parts, recipe, report)
    seconds = time.perf_counter() - started
    estimator = settled(estimator)
    return Fitted(
        pipeline=Pipeline([("preprocessor", preprocessor), ("estimator", estimator)]),
        classes=[label.item() if hasattr(label, "item") else label for label in estimator.classes_]
        if recipe.task == "classification"
        else None,
        metrics=_training_metrics(recipe.task, estimator, parts),
        curves=_curves(estimator, list(parts)),
        warnings=sorted({f"{warning.category.__name__}: {warning.message}"[:500] for warning in caught})[:20],
        seconds=seconds,
    )


def target_values(frame: pd.DataFrame, target: str, task: Task) -> Any:
    """Return the target: floats for regression; for classification the labels as they stand in the data.

    Whole numbers that missing values turned into floats become whole again.
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
        rule="Each row to train or to evaluate on has a target.",
        found=f"rows without {target!r}.",
        next_step="Leave these rows out.",
        field="target",
    )


def _prepared(recipe: Recipe, preprocessor: Any, frame: pd.DataFrame) -> tuple[Any, Any]:
    return preprocessor.transform(frame.drop(columns=recipe.target)), target_values(frame, recipe.target, recipe.task)


def _fit_or_name(estimator: Any, parts: dict[str, tuple[Any, Any]], recipe: Recipe, report: Report) -> None:
    rows, target = parts["train"]
    callbacks = [_reporter(recipe, report)] if recipe.algorithm == "xgboost" else None
    try:
        fit(estimator, rows, target, list(parts.values()), callbacks)
    except ValueError as error:
        raise InvalidInput(
            "training_refused",
            rule=f"{recipe.algorithm} can be fitted to this data with these hyperparameters.",
            found=str(error).strip()[:500] or "no reason given",
            next_step="Correct the hyperparameters or the data.",
            field="hyperparameters",
        ) from error


def _reporter(recipe: Recipe, report: Report) -> Any:
    """Return a callback that reports each boosting round with its losses."""
    from xgboost.callback import TrainingCallback

    rounds = recipe.hyperparameters.get("n_estimators", 100)
    total = rounds if isinstance(rounds, int) else None

    class Reporter(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
            latest = {
                f"{part}_{name}": float(values[-1])
                for part, curves in zip(("train", "validation"), evals_log.values(), strict=False)
                for name, values in curves.items()
            }
            report("boosting", epoch + 1, total, latest)
            return False

    return Reporter()


def _curves(estimator: Any, parts: list[str]) -> Curves:
    if not hasattr(estimator, "evals_result"):
        return {}
    found = estimator.evals_result().values()
    return {
        part: {
            name: [float(value) if math.isfinite(value) else None for value in values]
            for name, values in curves.items()
        }
        for part, curves in zip(parts, found, strict=True)
    }


def _training_metrics(task: Task, estimator: Any, parts: dict[str, tuple[Any, Any]]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for part, (rows, target) in parts.items():
        scores = (
            classification_scores(target, np.asarray(estimator.predict_proba(rows), dtype=float), estimator.classes_)
            if task == "classification"
            else regression_scores(target, np.asarray(estimator.predict(rows), dtype=float))
        )
        metrics |= {
            f"{part}_{name}": value for name, value in scores.items() if value is not None and math.isfinite(value)
        }
    return metrics
