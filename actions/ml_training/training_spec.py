"""What to train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actions.contracts.algorithms import AlgorithmName
from actions.contracts.scalar import Scalar
from actions.contracts.supervised import SupervisedTask


@dataclass(frozen=True)
class TrainingSpec:
    """A task, an algorithm with its hyperparameters, and the seed."""

    task: SupervisedTask
    algorithm: AlgorithmName
    target: str
    hyperparameters: Mapping[str, Scalar]
    seed: int
