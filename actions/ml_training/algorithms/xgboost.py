"""Gradient-boosted trees by XGBoost: reported round by round, stopped early, and resumed from checkpoints."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actions.contracts.algorithm import Layout
from actions.ml_training.algorithm import ALL_CORES, Algorithm, Hyperparameters, Parts, constructor_parameters
from actions.ml_training.rules import Rule, is_set, stops_before_the_last_round
from actions.ml_training.search_space import Range

if TYPE_CHECKING:
    from actions.ml_training.progress import Curves, TrainingProgress

_PARTS = ("train", "validation")
_CURVES = "modelyard_curves"
"""The booster's attribute that stores the loss curves in a checkpoint."""
_DEFAULT_ROUNDS = 100
_TREE_PARAMETERS = (
    "max_depth", "max_leaves", "min_child_weight", "subsample", "colsample_bytree", "gamma", "tree_method"
)  # fmt: skip


def _build(task: str, hyperparameters: Hyperparameters, seed: int, cores: int) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    from actions.ml_training.estimators.class_labels import ClassLabels

    given: dict[str, Any] = dict(hyperparameters)
    if cores == ALL_CORES and "device" not in given and _has_gpu():
        given["device"] = "cuda"
    if task == "regression":
        return XGBRegressor(**given, random_state=seed, n_jobs=cores, verbosity=0)
    class_weight = given.pop("class_weight", None)
    return ClassLabels(XGBClassifier(**given, random_state=seed, n_jobs=cores, verbosity=0), class_weight)


def _hyperparameter_names(estimator: Any) -> set[str]:
    inner = getattr(estimator, "estimator", None)
    return constructor_parameters(estimator) if inner is None else {*inner.get_params(), "class_weight"}


def _has_gpu() -> bool:
    """Tell whether there is a GPU, visible to this process, that XGBoost was built for."""
    import xgboost

    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    is_there = Path("/dev/nvidiactl").exists() and visible not in ("", "-1")
    return is_there and bool(xgboost.build_info().get("USE_CUDA"))


def _fit(estimator: Any, parts: Parts, progress: TrainingProgress) -> None:
    rows, target = parts["train"]
    inner = getattr(estimator, "estimator", estimator)
    given = {name: inner.get_params()[name] for name in ("n_estimators", "early_stopping_rounds")}
    total = given["n_estimators"] or _DEFAULT_ROUNDS
    earlier = _booster_of(progress.checkpoint())
    done = earlier.num_boosted_rounds() if earlier is not None else 0
    if earlier is not None:
        progress.resume_from(done, json.loads(earlier.attr(_CURVES) or "{}"))
        earlier.set_attr(**{_CURVES: None})
    callbacks = [_reporting(progress, total, len(rows))]
    if given["early_stopping_rounds"] is not None:
        callbacks.insert(0, _early_stopping(given["early_stopping_rounds"], earlier, progress.curves, done))
    inner.set_params(n_estimators=total - done, early_stopping_rounds=None, callbacks=callbacks)
    quiet = {} if inner is not estimator else {"verbose": False}
    try:
        estimator.fit(rows, target, eval_set=list(parts.values()), xgb_model=earlier, **quiet)
    finally:
        for fitted in (inner, getattr(estimator, "estimator_", None)):
            if fitted is not None:
                fitted.set_params(**given, callbacks=None)


def _reporting(progress: TrainingProgress, total: int, row_count: int) -> Any:
    """Return the callback that reports each round."""
    from xgboost.callback import TrainingCallback

    class Reporting(TrainingCallback):
        def __deepcopy__(self, memo: dict[int, Any]) -> Reporting:
            """Return the same callback: ``clone`` copies an estimator's parameters, and progress must not be copied."""
            return self

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002  # epoch ignores earlier processes
            losses = {
                part: {name: float(values[-1]) for name, values in curves.items()}
                for part, curves in zip(_PARTS, evals_log.values(), strict=False)
            }

            def content() -> bytes:
                model.set_attr(**{_CURVES: json.dumps(progress.curves)})
                saved = bytes(model.save_raw("ubj"))
                model.set_attr(**{_CURVES: None})
                return saved

            progress.after_round("boosting round", model.num_boosted_rounds(), total, losses, row_count, content)
            return False

    return Reporting()


def _booster_of(checkpoint: bytes | None) -> Any:
    if checkpoint is None:
        return None
    from xgboost import Booster

    booster = Booster()
    booster.load_model(bytearray(checkpoint))
    return booster


def _early_stopping(rounds: int, earlier: Any, curves: Curves, done: int) -> Any:
    """Return the library's early stopping, with the state that it had when the checkpoint was written."""
    from xgboost.callback import EarlyStopping

    stopping = EarlyStopping(rounds=rounds)
    best = earlier.attr("best_score") if earlier is not None else None
    if best is None:
        return stopping
    part, losses = list(curves.items())[-1]
    name = list(losses)[-1]
    data = f"validation_{_PARTS.index(part)}"
    stopping.stopping_history = {data: {name: [float(value or 0) for value in losses[name]]}}
    stopping.best_scores = {data: {name: [float(best)]}}
    stopping.current_rounds = done - 1 - int(earlier.attr("best_iteration") or 0)
    return stopping


def _move_to_cpu(estimator: Any) -> None:
    if estimator.get_params().get("device") not in (None, "cpu"):
        estimator.set_params(device="cpu")
        estimator.get_booster().set_param({"device": "cpu"})


ALGORITHM = Algorithm(
    name="xgboost",
    title="XGBoost",
    tasks=("classification", "regression"),
    library="XGBoost",
    modules=("xgboost",),
    packages=("xgboost", "xgboost-cpu"),
    example_override="max_depth=4",
    layout=Layout(dtype="float32"),
    trusted_types=(
        "actions.ml_training.estimators.class_labels.ClassLabels",
        "collections.OrderedDict",  # the loss curves
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
    ),
    build=_build,
    fit=_fit,
    hyperparameter_names=_hyperparameter_names,
    search_space={
        "n_estimators": Range(low=50, high=500, step=50),
        "learning_rate": Range(low=0.01, high=0.3, log=True),
        "max_depth": Range(low=2, high=10),
        "min_child_weight": Range(low=1.0, high=10.0, log=True),
        "subsample": Range(low=0.5, high=1.0),
        "colsample_bytree": Range(low=0.5, high=1.0),
        "reg_lambda": Range(low=1e-3, high=10.0, log=True),
    },
    reserved={
        "enable_categorical": "categories are one-hot encoded",
        "missing": "missing values are filled in",
    },
    aliases={
        "eta": "learning_rate",
        "lambda": "reg_lambda",
        "alpha": "reg_alpha",
        "num_round": "n_estimators",
        "num_boost_round": "n_estimators",
        "min_split_loss": "gamma",
        "lr": "learning_rate",
    },
    choices={"class_weight": (None, "balanced")},
    rules=(
        Rule(
            ("class_weight", "scale_pos_weight"),
            lambda given: is_set(given, "class_weight") and is_set(given, "scale_pos_weight", 1),
            "class_weight and scale_pos_weight both weight the classes; only one of them may be set.",
        ),
        stops_before_the_last_round("early_stopping_rounds", "n_estimators", _DEFAULT_ROUNDS),
        *(
            Rule(
                ("booster", name),
                lambda given, name=name: given.get("booster") == "gblinear" and is_set(given, name),  # type: ignore[misc]
                f"booster: gblinear builds no trees, so {name} has no effect.",
                f"Remove {name} or booster.",
            )
            for name in _TREE_PARAMETERS
        ),
    ),
    rounds="n_estimators",
    early_stopping="early_stopping_rounds",
    reports_losses=True,
    can_be_interrupted=True,
    keeps_checkpoints=True,
    memory_advice="Lower max_depth or max_bin",
    answers_depend_on_threads=False,  # each row is predicted by one thread
    move_to_cpu=_move_to_cpu,
)
