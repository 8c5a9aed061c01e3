"""Regression: the target column holds numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from actions.contracts.algorithms import Regressor
from actions.contracts.metric import Metric, metric_help
from actions.contracts.supervised import REGRESSION_METRICS, RegressionMetric
from actions.tasks.tabular.request import TabularRequest
from actions.tasks.tabular.stages import tabular_stages
from actions.tasks.task import Task


class RegressionRequest(TabularRequest):
    """A request to learn to estimate a number."""

    metrics: ClassVar[Mapping[str, Metric]] = REGRESSION_METRICS

    task: Literal["regression"] = Field(title="Task", description="The target is a number.")
    algorithm: Regressor = Field(title="Algorithm", description="The algorithm that trains the model.")
    split: Literal["auto", "random", "group", "time"] = Field(
        default="auto", title="Split",
        description="How the test rows are chosen. auto, random: at random. group: rows with the same value in the split "
        "column stay together. time: the latest rows by the split column.",
    )  # fmt: skip
    metric: RegressionMetric = Field(title="Metric", description=metric_help(REGRESSION_METRICS))


TASK = Task(
    name="regression",
    request=RegressionRequest,
    title="Train a regressor",
    description="Train, evaluate and judge a model that estimates a number, and register it if it is good enough.",
    stages=tabular_stages,
    compared_by="rows",
    evaluate_operation="evaluate_regressor",
    examples={"model_name": "diabetes", "data": "sklearn://diabetes", "threshold": "60"},
)
