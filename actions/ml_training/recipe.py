"""What to train, as one value that is handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actions.contracts.request import Algorithm, Scalar, Task


@dataclass(frozen=True)
class Recipe:
    """What to fit."""

    task: Task
    algorithm: Algorithm
    target: str
    hyperparameters: Mapping[str, Scalar]
    seed: int
