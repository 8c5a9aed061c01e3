"""Rewrites a model's card once the model has been evaluated on rows that it has not seen."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from actions.models.card import model_card
from actions.models.evaluation import Evaluation
from actions.models.saved_model import CARD_FILE
from actions.models.training_record import TRAINING_FILE, TrainingRecord
from actions.storage.folder import write_atomically


def update_card(model: Path, name: str, notes: str, evaluation: Evaluation, dataset: str) -> None:
    """Replace the card next to a model file; do nothing if the training left no record there."""
    try:
        record = TrainingRecord.model_validate_json(model.with_name(TRAINING_FILE).read_bytes())
    except (OSError, ValidationError):
        return
    write_atomically(model.with_name(CARD_FILE), model_card(name, record, notes, evaluation, dataset))
