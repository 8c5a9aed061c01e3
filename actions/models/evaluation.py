"""The result of an evaluation: its metrics, and the points of the curves that plots are drawn from."""

from __future__ import annotations

import typing
from typing import Literal

from pydantic import Field

from actions.contracts.request import Sha256
from actions.operation import Result
from actions.text.markdown import inline


class Interval(Result):
    """A confidence interval; the confidence is stated in the evaluation."""

    low: float
    high: float


Intervals = dict[str, Interval]
"""Intervals by metric. A metric without one is undefined, or undefined in too many resamples."""


class Slice(Result):
    """The metrics on the rows that share a value, or a range of values, of a column."""

    column: str
    value: str
    rows: int
    metrics: dict[str, float | None]
    intervals: Intervals = Field(default_factory=dict)


class Importance(Result):
    """How much worse the model is when the values of one column are shuffled."""

    column: str
    mean: float
    standard_deviation: float


class ClassFigures(Result):
    """The metrics of one class against the rest."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float
    roc_auc: float | None
    pr_auc: float | None
    intervals: Intervals = Field(default_factory=dict)


class Curve(Result):
    """The points of a line."""

    label: str
    x: list[float]
    y: list[float]


class CalibrationBin(Result):
    """Rows with similar predicted probabilities."""

    predicted: float
    observed: float
    rows: int


class _Evaluation(Result):
    """What evaluations of any task have in common."""

    model_sha256: Sha256
    rows: int
    target: str
    metrics: dict[str, float | None]
    confidence: float = Field(default=0.95, gt=0, lt=1, description="confidence of the intervals")
    intervals: Intervals = Field(default_factory=dict, description="bootstrap intervals (percentile method)")
    slices: list[Slice]
    importance_of: str = Field(default="", description="the metric whose loss the importances measure")
    importances: list[Importance] = Field(default_factory=list, description="importance of raw columns, largest first")
    learning_curves: list[Curve] = Field(
        default_factory=list, description="losses by round, if the training recorded any; labels are `part loss`"
    )

    def summary_markdown(self) -> str:
        """Return the text for a job's summary."""
        from actions.models.tables import as_markdown, evaluation_tables

        evaluation = typing.cast("Evaluation", self)
        parts = [f"### {evaluation.task.capitalize()} on {evaluation.rows} rows"]
        for table in evaluation_tables(evaluation):
            parts += [f"#### {inline(table.title)}", as_markdown(table), table.note]
        return "\n\n".join(part for part in parts if part)


class ClassifierEvaluation(_Evaluation):
    """How well a classifier does on some rows."""

    task: Literal["classification"] = "classification"
    classes: list[str]
    positive_class: str | None = Field(
        description="with two classes, the class that precision, recall, F1 and the areas refer to"
    )
    per_class: list[ClassFigures]
    confusion_matrix: list[list[int]] = Field(description="one row per true class, one column per predicted class")
    roc_curves: list[Curve]
    pr_curves: list[Curve]
    calibration: list[CalibrationBin]


class Residuals(Result):
    """The distribution of predicted minus true values."""

    mean: float
    standard_deviation: float
    quantiles: dict[str, float]


class RegressorEvaluation(_Evaluation):
    """How well a regressor does on some rows."""

    task: Literal["regression"] = "regression"
    residuals: Residuals
    true: list[float] = Field(description="true values of at most 2,000 rows, for the plots")
    predicted: list[float]


Evaluation = ClassifierEvaluation | RegressorEvaluation
