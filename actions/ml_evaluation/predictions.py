"""A model's answers on rows with the target, ready to be scored.

Heavy: imported inside functions alone.
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
class Classified:
    """A classifier's probabilities, and the true class of each row as a column of them."""

    classes: Any
    codes: Any
    probabilities: Any

    @property
    def labels(self) -> list[str]:
        return [str(label) for label in self.classes]

    def scores(self, rows: Any = slice(None)) -> Scores:
        return classification_scores(self.classes[self.codes[rows]], self.probabilities[rows], self.classes)

    def statistic(self, rows: Any = slice(None), metric: str | None = None) -> Statistic:
        """Return what scores resamples: all metrics, or at least the one that is named."""
        with_areas = metric in (None, "roc_auc", "pr_auc")
        return classification_statistic(self.codes[rows], self.probabilities[rows], with_areas=with_areas)


@dataclass(frozen=True)
class Estimated:
    """A regressor's numbers, and the true ones."""

    truth: Any
    predicted: Any

    def scores(self, rows: Any = slice(None)) -> Scores:
        return regression_scores(self.truth[rows], self.predicted[rows])

    def statistic(self, rows: Any = slice(None), metric: str | None = None) -> Statistic:  # noqa: ARG002 - all cost little
        return regression_statistic(self.truth[rows], self.predicted[rows])


def answered(model: Model, frame: pd.DataFrame) -> Classified | Estimated:
    """Return what a model of either task answers."""
    return classified(model, frame) if model.signature.task == "classification" else estimated(model, frame)


def classified(model: Model, frame: pd.DataFrame) -> Classified:
    """Return a classifier's answers.

    Raises
    ------
    InvalidInput
        ``no_rows``, ``target_missing``, ``unknown_class``; whatever the model refuses rows with.
    OperationError
        ``predictions_not_finite``.
    """
    made = model.signature
    truth = _truth(model, frame)
    classes = np.asarray(made.classes, dtype=object if truth.dtype == object else None)
    unknown = [label for label in np.unique(truth) if label not in set(classes.tolist())]
    if unknown:
        raise InvalidInput(
            "unknown_class",
            rule="Rows to evaluate on hold the classes that the model was trained on.",
            found=f"{', '.join(repr(str(label)) for label in unknown[:10])} in column {made.target!r}.",
            next_step=f"The model's classes: {', '.join(str(label) for label in classes[:20])}.",
            field="data",
        )
    return Classified(
        classes, np.searchsorted(classes, truth), _finite(model.probabilities(frame.drop(columns=made.target)))
    )


def estimated(model: Model, frame: pd.DataFrame) -> Estimated:
    """Return a regressor's answers; raises as ``classified``."""
    truth = _truth(model, frame)
    predicted = model.predict(frame.drop(columns=model.signature.target))
    return Estimated(truth, _finite(np.asarray(predicted, dtype=float)))


def _truth(model: Model, frame: pd.DataFrame) -> Any:
    made = model.signature
    if made.target not in frame:
        raise InvalidInput(
            "target_missing",
            rule="Rows to evaluate on have the target, so that predictions can be compared with it.",
            found=f"no column {made.target!r}.",
            next_step=f"The data's columns: {nearest_first(made.target, [str(name) for name in frame.columns])}.",
            field="data",
        )
    if frame.empty:
        raise InvalidInput(
            "no_rows",
            rule="There is at least one row with a target to evaluate on.",
            found="none.",
            next_step="Give rows whose target is known.",
            field="data",
        )
    if made.task == "regression":
        return conformed(frame[made.target], "number").to_numpy()
    return target_values(frame, made.target, made.task)


def _finite(predictions: Any) -> Any:
    if not np.isfinite(predictions).all():
        raise OperationError(
            "predictions_not_finite",
            rule="A model predicts finite numbers.",
            found=f"{int((~np.isfinite(predictions)).sum())} that are none.",
            next_step="Train it with other hyperparameters, or leave extreme values out of the data.",
        )
    return predictions
