"""Algorithms by name, as training needs them."""

from __future__ import annotations

from typing import cast

from actions.contracts.algorithms import algorithms
from actions.ml_training.algorithm import Algorithm


def every_algorithm() -> tuple[Algorithm, ...]:
    """Return the descriptors of all algorithms."""
    return tuple(algorithm_named(name) for name in algorithms())


def algorithm_named(name: str) -> Algorithm:
    """Return the descriptor of an algorithm."""
    return cast("Algorithm", algorithms()[name])
