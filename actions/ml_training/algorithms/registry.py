"""The estimators behind the algorithms' names, and the one of our own that XGBoost needs.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.class_weight import compute_sample_weight

from actions.optional import require_library


class ClassLabels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Lets a classifier that knows only 0 .. n-1 speak the target's own labels.

    Parameters
    ----------
    estimator : classifier
        The one that is fitted on codes; afterwards ``estimator_`` is the fitted copy and ``classes_`` the labels.
    class_weight : {'balanced'} or None
        balanced: each class counts in inverse proportion to how many training rows it has.
    """

    def __init__(self, estimator: Any, class_weight: str | None = None) -> None:
        self.estimator = estimator
        self.class_weight = class_weight

    def fit(self, rows: Any, labels: Any, eval_set: list[tuple[Any, Any]] | None = None, xgb_model: Any = None) -> Self:
        """Fit on codes; rows to watch by are encoded too, those of labels that training lacks are left out."""
        self.classes_, codes = np.unique(np.asarray(labels), return_inverse=True)
        self.estimator_ = clone(self.estimator)
        # The training rows stay the very same arrays: XGBoost then does not make its own form of them a second time.
        watched = [
            (rows, codes) if some is rows and theirs is labels else self._encoded(some, theirs)
            for some, theirs in eval_set or []
        ]
        weights = compute_sample_weight(self.class_weight, codes) if self.class_weight is not None else None
        self.estimator_.fit(
            rows, codes, sample_weight=weights, eval_set=watched or None, verbose=False, xgb_model=xgb_model
        )
        return self

    def predict(self, rows: Any) -> Any:
        # Through the probabilities: the library's own prediction of a two-class softmax has another shape.
        return self.classes_[np.argmax(self.predict_proba(rows), axis=1)]

    def predict_proba(self, rows: Any) -> Any:
        return self.estimator_.predict_proba(rows)

    def evals_result(self) -> dict[str, dict[str, list[float]]]:
        """Return the loss curves of the rows that were watched."""
        curves: dict[str, dict[str, list[float]]] = self.estimator_.evals_result()
        return curves

    def _encoded(self, rows: Any, labels: Any) -> tuple[Any, Any]:
        known = np.isin(np.asarray(labels), self.classes_)
        some = rows if known.all() else rows[known]
        return some, np.searchsorted(self.classes_, np.asarray(labels)[known])


def new_estimator(task: str, algorithm: str, hyperparameters: dict[str, Any], seed: int, cores: int = 1) -> Any:
    """Return an unfitted estimator; -1 cores are all of them, which ``settled`` undoes."""
    if algorithm == "linear_regression":
        from sklearn.linear_model import LinearRegression

        return LinearRegression(**hyperparameters)
    if algorithm == "logistic_regression":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(**hyperparameters, random_state=seed)
    if algorithm == "random_forest":
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        forest = RandomForestClassifier if task == "classification" else RandomForestRegressor
        return forest(**hyperparameters, random_state=seed, n_jobs=cores)
    if algorithm == "neural_network":
        require_library("torch", "A neural network", "torch")
        from actions.ml_training.algorithms.neural_network import NeuralNetworkClassifier, NeuralNetworkRegressor

        network = NeuralNetworkClassifier if task == "classification" else NeuralNetworkRegressor
        return network(**hyperparameters, random_state=seed)
    from xgboost import XGBClassifier, XGBRegressor

    if task == "regression":
        return XGBRegressor(**hyperparameters, random_state=seed, n_jobs=cores, verbosity=0)
    own = dict(hyperparameters)
    class_weight = own.pop("class_weight", None)
    boosted = XGBClassifier(**own, random_state=seed, n_jobs=cores, verbosity=0)
    return ClassLabels(boosted, class_weight)


def parameters_of(estimator: Any) -> set[str]:
    """Return the names of the hyperparameters that an estimator of ``new_estimator`` takes."""
    if isinstance(estimator, ClassLabels):
        return {*estimator.estimator.get_params(), "class_weight"}
    return set(estimator.get_params())


def settled(estimator: Any, *, to_save: bool) -> Any:
    """Make a fitted estimator predict the same everywhere: on the CPU, and on one core.

    A forest's sums over threads differ in their last digits. XGBoost has one thread for each row: until it is saved, it may use
    all cores.
    """
    inner = getattr(estimator, "estimator_", estimator)
    parameters = inner.get_params()
    if parameters.get("n_jobs") is not None and (to_save or not hasattr(inner, "get_booster")):
        inner.set_params(n_jobs=1)
    if hasattr(inner, "get_booster") and parameters.get("device") not in (None, "cpu"):
        inner.set_params(device="cpu")
        inner.get_booster().set_param({"device": "cpu"})
    return estimator
