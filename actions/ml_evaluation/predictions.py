"""A model's predictions on rows with the target, ready to be scored.

Imports heavy libraries; import it inside functions only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from actions.data_preparation.columns import conformed
from actions.errors import InvalidInput, OperationError
from actions.ml_evaluation.weighted_scores import Statistic, classification_statistic, regression_statistic
from actions.models.saved_model import Model
from actions.models.scores import Scores, classification_scores, regression_scores
from actions.models.targets import target_values
from actions.text.suggestions import nearest_first


@dataclass(frozen=True)
class ClassifierPredictions:
    """A classifier's predicted probabilities and the true classes.

    Attributes
    ----------
    classes : array of shape (classes,)
        The labels, sorted.
    codes : array of int, shape (rows,)
        The true class of each row, as a position in ``classes``.
    probabilities : array of float, shape (rows, classes)
    """

    classes: Any
    codes: Any
    probabilities: Any

    @property
    def labels(self) -> list[str]:
        return [str(label) for label in self.classes]

    def scores(self, rows: Any = slice(None)) -> Scores:
        return classification_scores(self.classes[self.codes[rows]], self.probabilities[rows], self.classes)

    def statistic(self, rows: Any = slice(None), metric: str | None = None) -> Statistic:
        """Return the statistic to resample: all metrics, or without the slow areas if they are not needed."""
        with_areas = metric in (None, "roc_auc", "pr_auc")
        return classification_statistic(self.codes[rows], self.probabilities[rows], with_areas=with_areas)


@dataclass(frozen=True)
class RegressorPredictions:
    """A regressor's predictions and the true values, arrays of shape (rows,) in units of the target."""

    truth: Any
    predicted: Any

    def scores(self, rows: Any = slice(None)) -> Scores:
        return regression_scores(self.truth[rows], self.predicted[rows])

    def statistic(self, rows: Any = slice(None), metric: str | None = None) -> Statistic:  # noqa: ARG002 - all cost little
        return regression_statistic(self.truth[rows], self.predicted[rows])


def predictions_of(model: Model, frame: pd.DataFrame) -> ClassifierPredictions | RegressorPredictions:
    """Return the predictions of a model of either task; raises as ``classifier_predictions``."""
    if model.signature.task == "classification":
        return classifier_predictions(model, frame)
    return regressor_predictions(model, frame)


def classifier_predictions(model: Model, frame: pd.DataFrame) -> ClassifierPredictions:
    """Return a classifier's predictions.

    Raises
    ------
    InvalidInput
        ``no_rows``, ``target_missing``, ``unknown_class``; also what the model refuses the rows with.
    OperationError
        ``predictions_not_finite``.
    """
    signature = model.signature
    truth = _truth(model, frame)
    classes = np.asarray(signature.classes, dtype=object if truth.dtype == object else None)
    unknown = [label for label in np.unique(truth) if label not in set(classes.tolist())]
    if unknown:
        raise InvalidInput(
            "unknown_class",
            rule="The target of rows to evaluate must be one of the classes that the model was trained on.",
            found=f"{', '.join(repr(str(label)) for label in unknown[:10])} in column {signature.target!r}.",
            next_step=f"The model's classes are {', '.join(str(label) for label in classes[:20])}.",
            field="data",
        )
    probabilities = _require_finite(model.probabilities(frame.drop(columns=signature.target)))
    return ClassifierPredictions(classes, np.searchsorted(classes, truth), probabilities)


def regressor_predictions(model: Model, frame: pd.DataFrame) -> RegressorPredictions:
    """Return a regressor's predictions; raises as ``classifier_predictions``."""
    truth = _truth(model, frame)
    predicted = model.predict(frame.drop(columns=model.signature.target))
    return RegressorPredictions(truth, _require_finite(np.asarray(predicted, dtype=float)))


def _truth(model: Model, frame: pd.DataFrame) -> Any:
    signature = model.signature
    if signature.target not in frame:
        columns = [str(name) for name in frame.columns]
        raise InvalidInput(
            "target_missing",
            rule="Rows to evaluate must have the target, so that predictions can be compared with it.",
            found=f"no column {signature.target!r}.",
            next_step=f"The data's columns, most similar first: {nearest_first(signature.target, columns)}.",
            field="data",
        )
    if frame.empty:
        raise InvalidInput(
            "no_rows",
            rule="There must be at least one row with a target.",
            found="none.",
            next_step="Provide rows whose target is known.",
            field="data",
        )
    if signature.task == "regression":
        return conformed(frame[signature.target], "number").to_numpy()
    return target_values(frame, signature.target, signature.task)


def _require_finite(predictions: Any) -> Any:
    if not np.isfinite(predictions).all():
        raise OperationError(
            "predictions_not_finite",
            rule="A model's predictions must be finite numbers.",
            found=f"{int((~np.isfinite(predictions)).sum())} that are not.",
            next_step="Train with other hyperparameters, or remove extreme values from the data.",
        )
    return predictions
