"""The record of a model's training: ``training.json`` next to the model."""

from __future__ import annotations

from pydantic import Field

from actions.contracts.results import SearchFacts
from actions.models.saved_model import Signature
from actions.operation import Result

TRAINING_FILE = "training.json"


class TrainingRecord(Result):
    """The content of ``training.json``: what was observed while a model was trained."""

    signature: Signature
    metrics: dict[str, float] = Field(description="train_* and validation_*")
    curves: dict[str, dict[str, list[float | None]]] = Field(description="one value per round, by part and loss")
    seconds: float
    rows_per_second: float
    warnings: list[str]
    search: SearchFacts | None = Field(default=None, description="the hyperparameter search, if there was one")
