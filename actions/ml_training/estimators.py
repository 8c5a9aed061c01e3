"""The estimators behind the algorithms' names, and the one of our own that XGBoost needs.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone


class ClassLabels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Lets a classifier that knows only 0 .. n-1 speak the target's own labels.

    Parameters
    ----------
    estimator : classifier
        The one that is fitted on codes; afterwards ``estimator_`` is the fitted copy and ``classes_`` the labels.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, rows: Any, labels: Any, eval_set: list[tuple[Any, Any]] | None = None) -> Self:
        """Fit on codes; rows to watch by are encoded too, those of labels that training lacks are left out."""
        self.classes_, codes = np.unique(np.asarray(labels), return_inverse=True)
        self.estimator_ = clone(self.estimator)
        watched = [self._encoded(*pair) for pair in eval_set or []]
        self.estimator_.fit(rows, codes, eval_set=watched or None, verbose=False)
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
        return rows[known], np.searchsorted(self.classes_, np.asarray(labels)[known])


def new_estimator(task: str, algorithm: str, hyperparameters: dict[str, Any], seed: int, cores: int = 1) -> Any:
    """Return an unfitted estimator; -1 cores are all of them, which ``settled`` undoes before it is saved."""
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
    from xgboost import XGBClassifier, XGBRegressor

    boosted = XGBClassifier if task == "classification" else XGBRegressor
    return boosted(**hyperparameters, random_state=seed, n_jobs=cores, verbosity=0)


def labelled(estimator: Any, task: str, algorithm: str) -> Any:
    """Return the estimator, wrapped where it does not take labels as they are."""
    return ClassLabels(estimator) if task == "classification" and algorithm == "xgboost" else estimator


def settled(estimator: Any) -> Any:
    """Make a fitted estimator predict on one core: a forest's sums over threads differ in their last digits."""
    inner = getattr(estimator, "estimator_", estimator)
    if "n_jobs" in inner.get_params() and inner.n_jobs is not None:
        inner.set_params(n_jobs=1)
    return estimator
