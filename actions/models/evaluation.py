"""What an evaluation found, as values: the figures and, in few points, the curves that plots are drawn from."""

from __future__ import annotations

import typing
from typing import Literal

from pydantic import Field

from actions.contracts.request import Sha256
from actions.operation import Result
from actions.text.markdown import inline


class Interval(Result):
    """Where a figure lies with a confidence that is said beside it."""

    low: float
    high: float


Intervals = dict[str, Interval]
"""By metric; a figure without one is undefined, or is so in too many resamples."""


class Slice(Result):
    """The figures of the rows that share one value, or one range of values, of a column."""

    column: str
    value: str
    rows: int
    metrics: dict[str, float | None]
    intervals: Intervals = Field(default_factory=dict)


class Importance(Result):
    """How much worse the model is when one column's values are shuffled among the rows."""

    column: str
    mean: float
    standard_deviation: float


class ClassFigures(Result):
    """The figures of one class against the rest."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float
    roc_auc: float | None
    pr_auc: float | None
    intervals: Intervals = Field(default_factory=dict)


class Curve(Result):
    """Points of a line."""

    label: str
    x: list[float]
    y: list[float]


class CalibrationBin(Result):
    """Rows whose predicted probability is near."""

    predicted: float
    observed: float
    rows: int


class _Evaluation(Result):
    """What evaluations of any task have in common."""

    model_sha256: Sha256
    rows: int
    target: str
    metrics: dict[str, float | None]
    confidence: float = Field(default=0.95, gt=0, lt=1, description="of the intervals")
    intervals: Intervals = Field(default_factory=dict, description="by bootstrap, percentiles")
    slices: list[Slice]
    importance_of: str = Field(default="", description="the metric that the importances are losses of")
    importances: list[Importance] = Field(default_factory=list, description="of raw columns, the largest first")
    learning_curves: list[Curve] = Field(
        default_factory=list, description="loss by round, where the training left any; labels are `part loss`"
    )

    def summary_markdown(self) -> str:
        """Return what stands in a job's summary."""
        from actions.models.tables import as_markdown, tables_of

        found = typing.cast("Evaluation", self)
        parts = [f"### {found.task.capitalize()} on {found.rows} rows"]
        for shown in tables_of(found):
            parts += [f"#### {inline(shown.title)}", as_markdown(shown), shown.note]
        return "\n\n".join(part for part in parts if part)


class ClassifierEvaluation(_Evaluation):
    """How good a classifier is on some rows."""

    task: Literal["classification"] = "classification"
    classes: list[str]
    positive_class: str | None = Field(description="of two classes the one that precision, recall, F1 and areas are of")
    per_class: list[ClassFigures]
    confusion_matrix: list[list[int]] = Field(description="a row for each true class, a column for each predicted one")
    roc_curves: list[Curve]
    pr_curves: list[Curve]
    calibration: list[CalibrationBin]


class Residuals(Result):
    """Predicted minus true."""

    mean: float
    standard_deviation: float
    quantiles: dict[str, float]


class RegressorEvaluation(_Evaluation):
    """How good a regressor is on some rows."""

    task: Literal["regression"] = "regression"
    residuals: Residuals
    true: list[float] = Field(description="of at most 2,000 rows, for the plots")
    predicted: list[float]


Evaluation = ClassifierEvaluation | RegressorEvaluation
