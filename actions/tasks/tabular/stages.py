"""What both tabular tasks do in each stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actions.contracts.algorithms import algorithms
from actions.optional import require_library
from actions.tasks.task import StageWork, TaskStages

if TYPE_CHECKING:
    from actions.tasks.tabular.request import TabularRequest

_FRAMES = ("pandas", "pyarrow.parquet")
_PREPROCESSING = (
    "sklearn.compose",
    "sklearn.impute",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "actions.storage.skops_import",
)
_PLOTS = ("matplotlib.figure", "matplotlib.backends.backend_agg")


def tabular_stages() -> TaskStages[Any, Any, Any, Any]:
    """Return what classification and regression do in each stage."""
    from actions.tasks.tabular.evaluate import evaluate
    from actions.tasks.tabular.prepare import prepare
    from actions.tasks.tabular.results import PreparedTables, TabularEvaluation, TrainedPipeline
    from actions.tasks.tabular.train import train

    return TaskStages(
        prepare=prepare,
        train=train,
        evaluate=evaluate,
        prepared=PreparedTables,
        trained=TrainedPipeline,
        evaluated=TabularEvaluation,
        data_inputs=_data_inputs,
        prepare_inputs=_prepare_inputs,
        train_inputs=_train_inputs,
        libraries={
            "prepare": _prepare_libraries,
            "train": _train_libraries,
            "evaluate": _evaluate_libraries,
        },
    )


def _data_inputs(request: TabularRequest) -> dict[str, Any]:
    return {
        "data": request.data,
        "target": request.target,
        "task": request.task,
        "seed": request.seed,
        "split": request.split,
        "split_column": request.split_column,
        "features": request.features.model_dump(mode="json"),
    }


def _prepare_inputs(work: StageWork[TabularRequest]) -> dict[str, Any]:
    from actions.data_preparation.sources import resolve
    from actions.storage.folder import sha256_of

    request = work.request
    source = resolve(request.data, work.context, work.order.repository)
    content = sha256_of(source.path) if source.path is not None else None
    checked = {"algorithm": request.algorithm, **request.hyperparameters} if request.hyperparameters else None
    searched = {"searched": request.algorithm} if request.is_searched else {}
    return {"content": content, "checked": checked, **searched}


def _train_inputs(request: TabularRequest) -> dict[str, Any]:
    budget = {"trials": request.search_trials, "minutes": request.search_minutes, "metric": request.metric}
    return {
        "algorithm": request.algorithm,
        "hyperparameters": dict(request.hyperparameters),
        **({"search": budget} if request.is_searched else {}),
    }


def _prepare_libraries(request: TabularRequest) -> tuple[str, ...]:
    toy = ("sklearn.datasets",) if request.data.startswith("sklearn://") else ()
    estimator = _modules(request)
    selection = ("sklearn.feature_selection",) if request.features else ()
    _check_search(request)
    return (*_FRAMES, *toy, *_PREPROCESSING, *selection, *(estimator if request.hyperparameters else ()))


def _train_libraries(request: TabularRequest) -> tuple[str, ...]:
    search = ("optuna", *_PLOTS) if _check_search(request) else ()
    return (*_FRAMES, *_PREPROCESSING, "sklearn.metrics", *_modules(request), *search)


def _evaluate_libraries(request: TabularRequest) -> tuple[str, ...]:
    return (*_FRAMES, *_PREPROCESSING, "sklearn.metrics", *_PLOTS, *_modules(request))


def _modules(request: TabularRequest) -> tuple[str, ...]:
    """Return the modules that the algorithm imports; refuse it where the runner lacks them."""
    algorithm = algorithms()[request.algorithm]
    for module in algorithm.modules:
        require_library(module.partition(".")[0], algorithm.title, algorithm.extra)
    return algorithm.modules


def _check_search(request: TabularRequest) -> bool:
    """Return whether hyperparameters are searched for; refuse that where the runner cannot."""
    if request.is_searched:
        require_library("optuna", "A search", "tuning")
    return request.is_searched
