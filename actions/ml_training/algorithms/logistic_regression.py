"""Logistic regression (scikit-learn)."""

from __future__ import annotations

from typing import Any

from actions.ml_training.algorithm import Algorithm, Hyperparameters
from actions.ml_training.search_space import Choices, Range


def _build(task: str, hyperparameters: Hyperparameters, seed: int, cores: int) -> Any:  # noqa: ARG001  # one task, one core
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(**hyperparameters, random_state=seed)


ALGORITHM = Algorithm(
    name="logistic_regression",
    title="Logistic regression",
    tasks=("classification",),
    library="scikit-learn",
    modules=("sklearn.linear_model",),
    packages=("scikit-learn",),
    example_override="C=10",
    build=_build,
    search_space={
        "C": Range(low=1e-3, high=1e3, log=True),
        "class_weight": Choices(choices=[None, "balanced"]),
    },
    checkpoint_note="One call of the library, usually of a few seconds.",
)
