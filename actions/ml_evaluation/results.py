"""What an evaluation found, as values: the figures and, in few points, the curves that plots are drawn from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from actions.operation import Result
from actions.request import Sha256


class Slice(Result):
    """The figures of the rows that share one value, or one range of values, of a column."""

    column: str
    value: str
    rows: int
    metrics: dict[str, float | None]


class ClassFigures(Result):
    """The figures of one class against the rest."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float
    roc_auc: float | None
    pr_auc: float | None


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


class ClassifierEvaluation(Result):
    """How good a classifier is on some rows."""

    task: Literal["classification"] = "classification"
    model_sha256: Sha256
    rows: int
    target: str
    classes: list[str]
    positive_class: str | None = Field(description="of two classes the one that precision, recall, F1 and areas are of")
    metrics: dict[str, float | None]
    per_class: list[ClassFigures]
    slices: list[Slice]
    confusion_matrix: list[list[int]] = Field(description="a row for each true class, a column for each predicted one")
    roc_curves: list[Curve]
    pr_curves: list[Curve]
    calibration: list[CalibrationBin]


class Residuals(Result):
    """Predicted minus true."""

    mean: float
    standard_deviation: float
    quantiles: dict[str, float]


class RegressorEvaluation(Result):
    """How good a regressor is on some rows."""

    task: Literal["regression"] = "regression"
    model_sha256: Sha256
    rows: int
    target: str
    metrics: dict[str, float | None]
    residuals: Residuals
    slices: list[Slice]
    true: list[float] = Field(description="of at most 2,000 rows, for the plots")
    predicted: list[float]


Evaluation = ClassifierEvaluation | RegressorEvaluation
