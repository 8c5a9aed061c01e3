"""Classification: the target column holds classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from actions.contracts.algorithms import Classifier
from actions.contracts.metric import Metric, metric_help
from actions.contracts.supervised import CLASSIFICATION_METRICS, ClassificationMetric
from actions.tasks.tabular.request import TabularRequest
from actions.tasks.tabular.stages import tabular_stages
from actions.tasks.task import Task


class ClassificationRequest(TabularRequest):
    """A request to learn which class a row belongs to."""

    metrics: ClassVar[Mapping[str, Metric]] = CLASSIFICATION_METRICS

    task: Literal["classification"] = Field(title="Task", description="The target is a class.")
    algorithm: Classifier = Field(title="Algorithm", description="The algorithm that trains the model.")
    split: Literal["auto", "random", "stratified", "group", "time"] = Field(
        default="auto", title="Split",
        description="How the test rows are chosen. auto, stratified: every part has the same share of each class. "
        "group: rows with the same value in the split column stay together. time: the latest rows by the split column.",
    )  # fmt: skip
    metric: ClassificationMetric = Field(title="Metric", description=metric_help(CLASSIFICATION_METRICS))


TASK = Task(
    name="classification",
    request=ClassificationRequest,
    title="Train a classifier",
    description="Train, evaluate and judge a model that predicts a class, and register it if it is good enough.",
    stages=tabular_stages,
    compared_by="rows",
    evaluate_operation="evaluate_classifier",
)
