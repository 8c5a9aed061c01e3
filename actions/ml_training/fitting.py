"""Fits one estimator behind a fitted preprocessor. Works on data frames; knows no URIs and no files."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from actions.contracts.scalar import Scalar
from actions.contracts.supervised import SupervisedTask
from actions.errors import InvalidInput
from actions.ml_training.algorithm import ALL_CORES, MIN_VALUES_FOR_THREADS, Algorithm, Parts
from actions.ml_training.errors import is_out_of_memory, out_of_memory, refused_by_library
from actions.ml_training.progress import Curves, TrainingProgress
from actions.ml_training.registry import algorithm_named
from actions.ml_training.training_spec import TrainingSpec
from actions.models.feature_blocks import features_for_training, features_of
from actions.models.scores import Scores, classification_scores, regression_scores
from actions.models.targets import target_values

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Fitted:
    """A fitted model, and what was observed while it was fitted."""

    pipeline: Any
    classes: list[Scalar] | None
    metrics: dict[str, float]
    curves: Curves
    warnings: list[str]
    seconds: float


def fit_pipeline(
    spec: TrainingSpec,
    preprocessor: Any,
    train: pd.DataFrame,
    validation: pd.DataFrame | None,
    progress: TrainingProgress,
) -> Fitted:
    """Fit the estimator on the training rows; the validation rows only measure it.

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

    parts, notes = prepared_parts(spec, preprocessor, train, validation)
    estimator, warned, seconds = fit_estimator(spec, parts, progress)
    scored = {part: scores_of(spec.task, estimator, *values) for part, values in parts.items()}
    make_deterministic(algorithm_named(spec.algorithm), estimator, to_save=True)
    return Fitted(
        pipeline=Pipeline([("preprocessor", preprocessor), ("estimator", estimator)]),
        classes=[label.item() if hasattr(label, "item") else label for label in estimator.classes_]
        if spec.task == "classification"
        else None,
        metrics={
            f"{part}_{name}": value
            for part, scores in scored.items()
            for name, value in scores.items()
            if value is not None and math.isfinite(value)
        },
        curves=progress.curves,
        warnings=[*notes, *warned][:20],
        seconds=seconds,
    )


def prepared_parts(
    spec: TrainingSpec, preprocessor: Any, train: pd.DataFrame, validation: pd.DataFrame | None
) -> tuple[Parts, list[str]]:
    """Return the training rows and the validation rows that can be scored, as arrays, and warnings about them."""
    target = target_values(train, spec.target, spec.task)
    raw = train.drop(columns=spec.target)
    parts: dict[str, tuple[Any, Any]] = {
        "train": (features_for_training(preprocessor, raw, target, algorithm_named(spec.algorithm).layout), target)
    }
    _check_varies(spec, target)
    notes: list[str] = []
    if validation is not None and len(validation):
        parts |= _scorable(spec, _prepared(spec, preprocessor, validation), target, notes)
    return parts, notes


def fit_estimator(spec: TrainingSpec, parts: Parts, progress: TrainingProgress) -> tuple[Any, list[str], float]:
    """Fit an estimator on arrays; return it with the library's warnings and the seconds that it took."""
    algorithm = algorithm_named(spec.algorithm)
    _check_early_stopping(algorithm, spec, parts)
    rows = parts["train"][0]
    cores = ALL_CORES if rows.size >= MIN_VALUES_FOR_THREADS else 1
    estimator = algorithm.build(spec.task, spec.hyperparameters, spec.seed, cores)
    progress.report(f"fitting {spec.algorithm} on {len(rows)} rows")
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _fit(algorithm, estimator, parts, progress)
    seconds = time.perf_counter() - started
    warned = sorted({f"{warning.category.__name__}: {warning.message}"[:500] for warning in caught})
    make_deterministic(algorithm, estimator, to_save=False)
    return estimator, warned, seconds


def make_deterministic(algorithm: Algorithm, estimator: Any, *, to_save: bool) -> None:
    """Make a fitted estimator predict the same everywhere: on the CPU, and on one core.

    Sums over threads differ in their last digits. Estimators that predict each row in one thread may use all cores
    until they are saved.
    """
    inner = getattr(estimator, "estimator_", estimator)
    algorithm.move_to_cpu(inner)
    if inner.get_params().get("n_jobs") is not None and (to_save or algorithm.answers_depend_on_threads):
        inner.set_params(n_jobs=1)


def scores_of(task: SupervisedTask, estimator: Any, rows: Any, target: Any) -> Scores:
    """Return the scores of a fitted estimator on preprocessed rows."""
    if task == "regression":
        return regression_scores(target, np.asarray(estimator.predict(rows), dtype=float))
    return classification_scores(target, np.asarray(estimator.predict_proba(rows), dtype=float), estimator.classes_)


def _check_varies(spec: TrainingSpec, target: Any) -> None:
    """Refuse training rows that show one case only; the whole table may show more."""
    if (target != target[0]).any():
        return
    is_classes = spec.task == "classification"
    raise InvalidInput(
        "one_class_in_training" if is_classes else "constant_target_in_training",
        rule="The training rows must have at least two " + ("classes." if is_classes else "different target values."),
        found=f"{spec.target!r} is {str(target[0])[:100]!r} in all {len(target)} training rows.",
        next_step="Split the data so that the training rows have every class (split: stratified), or use other data."
        if is_classes
        else "Split the data differently, or choose another target.",
        field="target",
    )


def _scorable(spec: TrainingSpec, validation: tuple[Any, Any], trained_on: Any, notes: list[str]) -> Parts:
    """Return the validation rows that can be scored: those of classes that the training rows have."""
    rows, target = validation
    if spec.task == "regression":
        return {"validation": validation}
    is_known = np.isin(target, np.unique(trained_on))
    if not is_known.all():
        unknown = ", ".join(repr(str(label)) for label in np.unique(target[~is_known])[:10])
        notes.append(f"{int((~is_known).sum())} validation rows have a class that no training row has: {unknown}.")
    if not is_known.any():
        return {}
    if len(np.unique(target[is_known])) == 1:
        only = str(target[is_known][0])[:100]
        notes.append(f"All validation rows are of class {only!r}, so they say little about a classifier.")
    return {"validation": (rows if is_known.all() else rows[is_known], target[is_known])}


def _check_early_stopping(algorithm: Algorithm, spec: TrainingSpec, parts: Parts) -> None:
    """Refuse early stopping without validation rows."""
    name = algorithm.early_stopping
    value = spec.hyperparameters.get(name) if name else None
    if value is None or "validation" in parts:
        return
    raise InvalidInput(
        "no_validation_rows",
        rule=f"{name} needs validation rows: it stops a training by its loss on them.",
        found=f"{name}: {value!r}, and no validation rows.",
        next_step=f"Add validation rows, or remove {name}.",
        field="hyperparameters",
    )


def _prepared(spec: TrainingSpec, preprocessor: Any, frame: pd.DataFrame) -> tuple[Any, Any]:
    layout = algorithm_named(spec.algorithm).layout
    features = features_of(preprocessor, frame.drop(columns=spec.target), layout)
    return features, target_values(frame, spec.target, spec.task)


def _fit(algorithm: Algorithm, estimator: Any, parts: Parts, progress: TrainingProgress) -> None:
    """Fit, and turn the library's errors into ours."""
    try:
        algorithm.fit(estimator, parts, progress)
    except (MemoryError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise out_of_memory(algorithm, algorithm.memory_advice, parts["train"][0].shape, error) from error
        if isinstance(error, ValueError):
            raise refused_by_library(algorithm, error) from error
        raise
