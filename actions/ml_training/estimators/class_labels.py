"""A classifier for libraries that need the classes 0 to n-1.

Imports scikit-learn: import this module inside functions only.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.class_weight import compute_sample_weight


class ClassLabels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Makes a classifier that only accepts the classes 0 to n-1 accept and predict any labels.

    Parameters
    ----------
    estimator : classifier
        Fitted on codes. After fitting, ``estimator_`` is the fitted copy and ``classes_`` are the labels.
    class_weight : {'balanced'} or None
        balanced: classes are weighted in inverse proportion to their number of training rows.
    """

    def __init__(self, estimator: Any, class_weight: str | None = None) -> None:
        self.estimator = estimator
        self.class_weight = class_weight

    def fit(self, rows: Any, labels: Any, eval_set: list[tuple[Any, Any]] | None = None, xgb_model: Any = None) -> Self:
        """Fit on codes. Rows of ``eval_set`` whose label the training rows lack are left out."""
        self.classes_, codes = np.unique(np.asarray(labels), return_inverse=True)
        self.estimator_ = clone(self.estimator)
        # The training rows must stay the same objects: XGBoost then does not convert them a second time.
        watched = [
            (rows, codes) if part_rows is rows and part_labels is labels else self._encode(part_rows, part_labels)
            for part_rows, part_labels in eval_set or []
        ]
        weights = compute_sample_weight(self.class_weight, codes) if self.class_weight is not None else None
        self.estimator_.fit(
            rows, codes, sample_weight=weights, eval_set=watched or None, verbose=False, xgb_model=xgb_model
        )
        return self

    def predict(self, rows: Any) -> Any:
        # By the probabilities: what the library predicts for a two-class softmax has another shape.
        return self.classes_[np.argmax(self.predict_proba(rows), axis=1)]

    def predict_proba(self, rows: Any) -> Any:
        return self.estimator_.predict_proba(rows)

    def evals_result(self) -> dict[str, dict[str, list[float]]]:
        """Return the loss curves of the parts in ``eval_set``."""
        curves: dict[str, dict[str, list[float]]] = self.estimator_.evals_result()
        return curves

    def _encode(self, rows: Any, labels: Any) -> tuple[Any, Any]:
        is_known = np.isin(np.asarray(labels), self.classes_)
        known_rows = rows if is_known.all() else rows[is_known]
        return known_rows, np.searchsorted(self.classes_, np.asarray(labels)[is_known])
