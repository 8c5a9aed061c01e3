"""What each stage hangs on: the inputs by which it is skipped, and the libraries that it imports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actions.context import Context
from actions.contracts.algorithms import algorithms
from actions.contracts.request import WorkOrder
from actions.contracts.stage import Stage
from actions.data_preparation.sources import resolve
from actions.optional import require_library
from actions.stages.records import StageRecord, required_record
from actions.stages.results import Evaluated, Prepared, Trained
from actions.storage.folder import sha256_of

_FRAMES = ("pandas", "pyarrow.parquet")
_PREPROCESSING = (
    "sklearn.compose",
    "sklearn.impute",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "actions.storage.skops_import",
)


def prepared(order: WorkOrder, context: Context) -> Prepared:
    """Return what prepare left for this request."""
    return Prepared.model_validate(prepare_record(order, context).result)


def trained(order: WorkOrder, context: Context) -> Trained:
    """Return what train left for this request."""
    return Trained.model_validate(train_record(order, context).result)


def evaluated(order: WorkOrder, context: Context) -> Evaluated:
    """Return what evaluate left for the model."""
    return Evaluated.model_validate(evaluate_record(order, context).result)


def prepare_record(order: WorkOrder, context: Context) -> StageRecord:
    """Return the record that prepare left for this request."""
    return required_record("prepare", order, context.storage, _wanted_data(order))


def train_record(order: WorkOrder, context: Context) -> StageRecord:
    """Return the record that train left for this request."""
    return required_record("train", order, context.storage, train_inputs(order, context))


def evaluate_record(order: WorkOrder, context: Context) -> StageRecord:
    """Return the record that evaluate left for this request."""
    return required_record("evaluate", order, context.storage, evaluate_inputs(order, context))


def judge_record(order: WorkOrder, context: Context) -> StageRecord:
    """Return the record that judge left for this request."""
    return required_record("judge", order, context.storage, judge_inputs(order, context))


def prepare_inputs(order: WorkOrder, context: Context) -> dict[str, Any]:
    """Return what prepare hangs on."""
    source = resolve(order.request.data, context, order.repository)
    content = sha256_of(source.path) if source.path is not None else None
    request = order.request
    checked = {"algorithm": request.algorithm, **request.hyperparameters} if request.hyperparameters else None
    found = {**_wanted_data(order), "content": content, "checked": checked}
    return found | ({"searched": request.algorithm} if request.is_searched else {})


def _wanted_data(order: WorkOrder) -> dict[str, Any]:
    """Return what decides the data that the later stages work on."""
    request = order.request
    return {
        "data": request.data,
        "target": request.target,
        "task": request.task,
        "seed": request.seed,
        "split": request.split,
        "split_column": request.split_column,
        "features": request.features.model_dump(mode="json"),
    }


def train_inputs(order: WorkOrder, context: Context) -> dict[str, Any]:
    """Return what train hangs on."""
    request = order.request
    budget = {"trials": request.search_trials, "minutes": request.search_minutes, "metric": request.metric}
    return {
        "files": prepared(order, context).outputs(),
        "algorithm": request.algorithm,
        "hyperparameters": dict(request.hyperparameters),
        "seed": order.training_seed,
        "model_name": request.model_name,
        **({"search": budget} if request.is_searched else {}),
    }


def evaluate_inputs(order: WorkOrder, context: Context) -> dict[str, Any]:
    """Return what evaluate hangs on."""
    return {
        "test": prepared(order, context).test.sha256,
        "model": trained(order, context).outputs(),
        "champion": order.champion.model_dump(mode="json") if order.champion else None,
        "compared_by": {"metric": order.request.metric, **order.gate.model_dump()} if order.champion else None,
    }


def judge_inputs(order: WorkOrder, context: Context) -> dict[str, Any]:
    """Return what judge hangs on."""
    found = evaluated(order, context)
    return {
        "evaluation": found.model_dump(mode="json"),
        "metric": order.request.metric,
        "threshold": order.request.threshold,
    }


def publish_inputs(order: WorkOrder, context: Context) -> dict[str, Any]:
    """Return what publish hangs on."""
    return {"verdict": judge_record(order, context).result}


INPUTS: dict[Stage, Callable[[WorkOrder, Context], dict[str, Any]]] = {
    "prepare": prepare_inputs,
    "train": train_inputs,
    "evaluate": evaluate_inputs,
    "judge": judge_inputs,
    "publish": publish_inputs,
}


def libraries(stage: Stage, order: WorkOrder) -> tuple[str, ...]:
    """Return the libraries that a stage needs for this request: imported before its work, so that both are timed."""
    request = order.request
    algorithm = algorithms()[request.algorithm]
    if stage in ("prepare", "train", "evaluate"):
        for module in algorithm.modules:
            require_library(module.partition(".")[0], algorithm.title, algorithm.extra)
    if request.is_searched and stage in ("prepare", "train"):
        require_library("optuna", "A search", "tuning")
    if stage == "prepare":
        toy = ("sklearn.datasets",) if request.data.startswith("sklearn://") else ()
        estimator = algorithm.modules if request.hyperparameters else ()
        selection = ("sklearn.feature_selection",) if request.features else ()
        return (*_FRAMES, *toy, *_PREPROCESSING, *selection, *estimator)
    if stage == "train":
        search = ("optuna", "matplotlib.figure", "matplotlib.backends.backend_agg") if request.is_searched else ()
        return (*_FRAMES, *_PREPROCESSING, "sklearn.metrics", *algorithm.modules, *search)
    if stage == "evaluate":
        plots = ("matplotlib.figure", "matplotlib.backends.backend_agg")
        return (*_FRAMES, *_PREPROCESSING, "sklearn.metrics", *plots, *algorithm.modules)
    return ()
