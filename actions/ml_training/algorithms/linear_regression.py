"""Linear regression by least squares (scikit-learn)."""

from __future__ import annotations

from typing import Any

from actions.contracts.algorithm import Layout
from actions.ml_training.algorithm import Algorithm, Hyperparameters
from actions.ml_training.search_space import Choices


def _build(task: str, hyperparameters: Hyperparameters, seed: int, cores: int) -> Any:  # noqa: ARG001  # least squares draws nothing
    from sklearn.linear_model import LinearRegression

    return LinearRegression(**hyperparameters)


ALGORITHM = Algorithm(
    name="linear_regression",
    title="Linear regression",
    tasks=("regression",),
    library="scikit-learn",
    modules=("sklearn.linear_model",),
    packages=("scikit-learn",),
    example_override="positive=true",
    layout=Layout(order="F"),  # LAPACK wants contiguous columns
    build=_build,
    search_space={
        "fit_intercept": Choices(choices=[True, False]),
        "positive": Choices(choices=[False, True]),
    },
    checkpoint_note="One call of the library, usually of a few seconds.",
)
