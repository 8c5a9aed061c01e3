"""Gradient-boosted trees by LightGBM: reported round by round and stopped early.

A training resumes from its checkpoint only if it draws nothing at random: the library's random generators start again with
each fit, so that rows or features drawn after an interruption would be others, and so would the model.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from actions.ml_training.algorithm import Algorithm, Hyperparameters, Parts, constructor_parameters
from actions.ml_training.rules import Rule, is_set, stops_before_the_last_round
from actions.ml_training.search_space import Range
from actions.optional import import_library

if TYPE_CHECKING:
    from collections.abc import Callable

    from actions.ml_training.progress import TrainingProgress

_STEP = "boosting round"
_DETERMINISTIC = {"deterministic": True, "force_row_wise": True}
"""The same model whatever the number of threads, and whatever layout the library finds faster on this machine."""
_FURTHER_NAMES = (
    "colsample_bynode", "early_stopping_rounds", "extra_trees", "max_bin", "max_delta_step", "min_data_in_bin",
    "path_smooth", "scale_pos_weight",
)  # fmt: skip
"""Parameters of the library that its estimators accept but do not list."""


def _build(task: str, hyperparameters: Hyperparameters, seed: int, cores: int) -> Any:
    library = import_library("lightgbm")
    kind = library.LGBMClassifier if task == "classification" else library.LGBMRegressor
    return kind(**hyperparameters, **_DETERMINISTIC, random_state=seed, n_jobs=cores, verbosity=-1)


def _hyperparameter_names(estimator: Any) -> set[str]:
    return constructor_parameters(estimator) | set(_FURTHER_NAMES)


def _fit(estimator: Any, parts: Parts, progress: TrainingProgress) -> None:
    import lightgbm
    from lightgbm.basic import LGBMDeprecationWarning, LightGBMError

    parameters = estimator.get_params()
    patience = parameters.get("early_stopping_rounds")
    given = {name: parameters[name] for name in ("n_estimators", "early_stopping_rounds") if name in parameters}
    total, earlier = parameters["n_estimators"], None
    if (content := progress.checkpoint()) is not None:
        checkpoint = json.loads(content)
        earlier = lightgbm.Booster(model_str=checkpoint["model"])
        progress.resume_from(earlier.current_iteration(), checkpoint["curves"])
    done = earlier.current_iteration() if earlier is not None else 0
    row_count = len(parts["train"][0])
    report = _reporting(progress, total, row_count, patience, keeps_checkpoints=not _draws_at_random(parameters))
    estimator.set_params(**{**dict.fromkeys(given), "n_estimators": total - done})
    try:
        with warnings.catch_warnings():
            # What the library recommends instead, eval_X and eval_y, does not encode the labels of classes (4.7).
            warnings.simplefilter("ignore", LGBMDeprecationWarning)
            estimator.fit(
                *parts["train"], eval_set=list(parts.values()), eval_names=list(parts), callbacks=[report],
                init_model=earlier,
            )  # fmt: skip
    except LightGBMError as error:
        raise ValueError(str(error)) from error
    finally:
        estimator.set_params(**given)
    # The checkpoint's model is part of the new one; the library's own reference to it must not get into the model file.
    estimator.booster_._Booster__init_predictor = None  # noqa: SLF001


def _reporting(
    progress: TrainingProgress, total: int, row_count: int, patience: int | None, *, keeps_checkpoints: bool
) -> Callable[[Any], None]:
    """Return the callback that reports each round and stops early.

    The library's own early stopping would forget, at a checkpoint, which round was the best.
    """
    from lightgbm.callback import EarlyStopException

    def report(state: Any) -> None:
        losses: dict[str, dict[str, float]] = {}
        for result in state.evaluation_result_list:
            losses.setdefault(result.dataset_name, {})[result.metric_name] = float(result.metric_value)

        def content() -> bytes:
            return json.dumps({"model": state.model.model_to_string(), "curves": progress.curves}).encode()

        done = state.iteration + 1
        progress.after_round(_STEP, done, total, losses, row_count, content if keeps_checkpoints else None)
        if patience is not None:
            watched = state.evaluation_result_list[-1]
            recorded = progress.curves[watched.dataset_name][watched.metric_name]
            curve = [float("inf") if loss is None else loss for loss in recorded]
            best = curve.index(min(curve))
            if done - 1 - best >= patience or done == total:
                raise EarlyStopException(best, state.evaluation_result_list)

    return report


def _draws_at_random(parameters: Hyperparameters) -> bool:
    """Tell whether a training draws rows, features or thresholds at random."""
    return (
        parameters["boosting_type"] in ("dart", "rf")
        or bool(parameters.get("extra_trees"))
        or any(is_set(parameters, name, 1, 1.0) for name in ("subsample", "colsample_bytree", "colsample_bynode"))
    )


ALGORITHM = Algorithm(
    name="lightgbm",
    title="LightGBM",
    tasks=("classification", "regression"),
    library="LightGBM",
    modules=("lightgbm",),
    packages=("lightgbm",),
    example_override="num_leaves=15",
    trusted_types=(
        "collections.OrderedDict",  # the best scores
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
    ),
    build=_build,
    fit=_fit,
    hyperparameter_names=_hyperparameter_names,
    search_space={
        "n_estimators": Range(low=50, high=500, step=50),
        "learning_rate": Range(low=0.01, high=0.3, log=True),
        "num_leaves": Range(low=8, high=128, log=True),
        "min_child_samples": Range(low=5, high=100, log=True),
        "colsample_bytree": Range(low=0.5, high=1.0),
        "reg_lambda": Range(low=1e-3, high=10.0, log=True),
    },
    reserved=dict.fromkeys(_DETERMINISTIC, "the same seed on the same rows must give the same model"),
    aliases={
        "num_iterations": "n_estimators",
        "num_boost_round": "n_estimators",
        "eta": "learning_rate",
        "max_leaf_nodes": "num_leaves",
        "min_data_in_leaf": "min_child_samples",
        "feature_fraction": "colsample_bytree",
        "bagging_fraction": "subsample",
        "bagging_freq": "subsample_freq",
        "lambda_l1": "reg_alpha",
        "lambda_l2": "reg_lambda",
        "early_stopping_round": "early_stopping_rounds",
        "patience": "early_stopping_rounds",
    },
    # goss is left out: with it, the model depends on the number of threads in spite of `deterministic`.
    choices={"boosting_type": ("gbdt", "dart", "rf"), "class_weight": (None, "balanced")},
    rules=(
        stops_before_the_last_round("early_stopping_rounds", "n_estimators", 100),
        Rule(
            ("subsample", "subsample_freq"),
            lambda given: is_set(given, "subsample", 1, 1.0) and not is_set(given, "subsample_freq", 0),
            "subsample has no effect unless subsample_freq is at least 1: rows are drawn every subsample_freq rounds.",
            "Add subsample_freq: 1, or remove subsample.",
        ),
        Rule(
            ("boosting_type", "early_stopping_rounds"),
            lambda given: given.get("boosting_type") == "dart" and is_set(given, "early_stopping_rounds"),
            "boosting_type: dart changes earlier trees in each round, so it cannot return to the best round.",
        ),
        Rule(
            ("class_weight", "scale_pos_weight"),
            lambda given: is_set(given, "class_weight") and is_set(given, "scale_pos_weight", 1),
            "class_weight and scale_pos_weight both weight the classes; only one of them may be set.",
        ),
    ),
    rounds="n_estimators",
    early_stopping="early_stopping_rounds",
    reports_losses=True,
    can_be_interrupted=True,
    keeps_checkpoints=True,
    checkpoint_note="With sampling (subsample, colsample_bytree, colsample_bynode, extra_trees, dart, rf) it starts again, "
    "because the library cannot continue its random draws.",
    memory_advice="Lower num_leaves or max_bin",
    answers_depend_on_threads=False,  # each row is predicted by one thread
)
