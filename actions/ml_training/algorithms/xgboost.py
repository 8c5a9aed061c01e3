"""Fits XGBoost's estimators round by round: told of, stopped early, kept as checkpoints and taken up again.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import xgboost
from xgboost.callback import EarlyStopping, TrainingCallback

from actions.ml_training.progress import Curves, Watch

_PARTS = ("train", "validation")
_CURVES = "modelyard_curves"
"""The attribute of a booster that carries the loss curves of a checkpoint."""
_USUAL_ROUNDS = 100


def fit_boosted(estimator: Any, rows: Any, target: Any, watched: list[tuple[Any, Any]], watch: Watch) -> Curves:
    """Fit an estimator of XGBoost's, or a ``ClassLabels`` around one; return its loss curves.

    Parameters
    ----------
    watched
        Training rows, then validation rows if there are any: the last ones decide on stopping early.
    """
    inner = getattr(estimator, "estimator", estimator)
    asked = {name: inner.get_params()[name] for name in ("n_estimators", "early_stopping_rounds")}
    rounds = asked["n_estimators"] or _USUAL_ROUNDS
    earlier = _opened(watch.checkpoint())
    done = earlier.num_boosted_rounds() if earlier is not None else 0
    if earlier is not None:
        watch.took_up(done, json.loads(earlier.attr(_CURVES) or "{}"))
        earlier.set_attr(**{_CURVES: None})
    callbacks: list[Any] = [_Rounds(watch, rounds, len(rows))]
    if asked["early_stopping_rounds"] is not None:
        callbacks.insert(0, _early_stopping(asked["early_stopping_rounds"], earlier, watch.curves, done))
    inner.set_params(n_estimators=rounds - done, early_stopping_rounds=None, callbacks=callbacks)
    more = {} if inner is not estimator else {"verbose": False}
    try:
        estimator.fit(rows, target, eval_set=watched, xgb_model=earlier, **more)
    finally:
        for one in (inner, getattr(estimator, "estimator_", None)):
            if one is not None:
                one.set_params(**asked, callbacks=None)
    return watch.curves


def usual_device(values: int, enough: int) -> str | None:
    """Return ``cuda`` where there is a GPU, XGBoost was built for it and the data is worth its overhead, else None."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    there = Path("/dev/nvidiactl").exists() and visible not in ("", "-1")
    return "cuda" if there and values >= enough and xgboost.build_info().get("USE_CUDA") else None


class _Rounds(TrainingCallback):
    """Tells the watch of each round."""

    def __init__(self, watch: Watch, rounds: int, rows: int) -> None:
        self._watch, self._rounds, self._rows = watch, rounds, rows

    def __deepcopy__(self, memo: dict[int, Any]) -> _Rounds:
        """Stay the same one: scikit-learn's ``clone`` copies an estimator's parameters, and the watch goes with the training."""
        return self

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002  # counts from the start of this process
        losses = {
            part: {name: float(values[-1]) for name, values in curves.items()}
            for part, curves in zip(_PARTS, evals_log.values(), strict=False)
        }

        def content() -> bytes:
            model.set_attr(**{_CURVES: json.dumps(self._watch.curves)})
            saved = bytes(model.save_raw("ubj"))
            model.set_attr(**{_CURVES: None})
            return saved

        done = model.num_boosted_rounds()
        self._watch.after_round("boosting round", done, self._rounds, losses, self._rows, content)
        return False


def _opened(content: bytes | None) -> xgboost.Booster | None:
    if content is None:
        return None
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    return booster


def _early_stopping(rounds: int, earlier: xgboost.Booster | None, curves: Curves, done: int) -> EarlyStopping:
    """Return the library's own early stopping, which remembers the rounds before a checkpoint."""
    stopping = EarlyStopping(rounds=rounds)
    best = earlier.attr("best_score") if earlier is not None else None
    if earlier is None or best is None:
        return stopping
    place, figures = list(curves.items())[-1]
    name = list(figures)[-1]
    data = f"validation_{_PARTS.index(place)}"
    stopping.stopping_history = {data: {name: [float(value or 0) for value in figures[name]]}}
    stopping.best_scores = {data: {name: [float(best)]}}
    stopping.current_rounds = done - 1 - int(earlier.attr("best_iteration") or 0)
    return stopping
