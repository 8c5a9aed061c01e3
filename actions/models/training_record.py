"""What was seen while a model was trained: ``training.json`` beside the model."""

from __future__ import annotations

from pydantic import Field

from actions.contracts.results import SearchFacts
from actions.models.saved_model import Signature
from actions.operation import Result

TRAINING_FILE = "training.json"


class TrainingRecord(Result):
    """``training.json``: what was seen while a model was trained."""

    signature: Signature
    metrics: dict[str, float] = Field(description="train_* and validation_*")
    curves: dict[str, dict[str, list[float | None]]] = Field(description="per part and loss, one figure a round")
    seconds: float
    rows_per_second: float
    warnings: list[str]
    search: SearchFacts | None = Field(default=None, description="where the hyperparameters were searched for")
