"""The two supervised tasks on tables, and their metrics: shared by the code that prepares, trains and scores."""

from __future__ import annotations

from typing import Literal, get_args

from actions.contracts.metric import Metric

SupervisedTask = Literal["classification", "regression"]
ClassificationMetric = Literal[
    "accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "log_loss"
]
RegressionMetric = Literal["rmse", "mae", "mape", "r2"]
MetricName = Literal[ClassificationMetric, RegressionMetric]

_SHARE = Metric(higher_is_better=True, lowest=0, highest=1)
_ERROR = Metric(higher_is_better=False, lowest=0)

CLASSIFICATION_METRICS: dict[str, Metric] = {
    **{name: _SHARE for name in get_args(ClassificationMetric) if name != "log_loss"},
    "log_loss": _ERROR,
}
REGRESSION_METRICS: dict[str, Metric] = {
    "rmse": _ERROR,
    "mae": _ERROR,
    "mape": _ERROR._replace(undefined_when="a true value is zero"),
    "r2": Metric(higher_is_better=True, highest=1),
}
METRICS_OF: dict[SupervisedTask, dict[str, Metric]] = {
    "classification": CLASSIFICATION_METRICS,
    "regression": REGRESSION_METRICS,
}
METRICS: dict[str, Metric] = {**CLASSIFICATION_METRICS, **REGRESSION_METRICS}
