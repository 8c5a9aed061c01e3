"""The operation that saves a trained model for good: with its signature, card and digest."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import Field, ValidationError

from actions.context import Context
from actions.contracts.request import ModelName, Sha256
from actions.data_preparation.sources import StorageUri, storage_path
from actions.errors import NotFound
from actions.models.card import model_card
from actions.models.saved_model import CARD_FILE, MODEL_FILE, SIGNATURE_FILE
from actions.models.training_record import TRAINING_FILE, TrainingRecord
from actions.operation import Result, operation
from actions.storage.folder import replacing, write_atomically
from actions.storage.skops_file import check_model_file


class SavedModel(Result):
    """A model under the storage root, with what stands beside it."""

    uri: str
    sha256: Sha256
    size_bytes: int = Field(ge=0)
    signature_uri: str
    card_uri: str


@operation(
    stage="train",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def save_model(
    context: Context, training: StorageUri, destination: StorageUri, name: ModelName, notes: str = ""
) -> SavedModel:
    """Save a trained model with its signature (``model.json``), its card (``MODEL_CARD.md``) and its SHA-256.

    Parameters
    ----------
    training
        The folder that a training wrote to.
    destination
        The folder under the storage root to save to; it may be the same one.
    name
        The model's name.
    notes
        For people; they stand in the card.

    Raises
    ------
    InvalidInput
        ``bucket_not_found``, ``digest_mismatch``, ``object_too_large``, ``outside_storage``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``: a registered model is there, whose files are write-once. ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.
    NotFound
        ``training_not_found``: there is no training under this run or folder. ``model_not_found``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from actions.ml_training.train import train_supervised_classifier
    >>> from actions.storage.folder import Storage
    >>> context = Context(storage=Storage(Path(mkdtemp())))
    >>> made = train_supervised_classifier(
    ...     context, "sklearn://iris", "target", "trained", algorithm="logistic_regression"
    ... )
    >>> saved = save_model(context, "trained", "kept", "flowers", notes="The first one.")
    >>> saved.uri, saved.card_uri, saved.sha256 == made.sha256
    ('kept/model.skops', 'kept/MODEL_CARD.md', True)
    """
    source, folder = storage_path(training, context, "training"), storage_path(destination, context, "destination")
    record = _record(source / TRAINING_FILE)
    check_model_file(source / MODEL_FILE, record.signature.model_sha256)
    path = folder / MODEL_FILE
    if source.resolve() != folder.resolve():
        with replacing(path) as temporary:
            shutil.copyfile(source / MODEL_FILE, temporary)
    write_atomically(folder / SIGNATURE_FILE, record.signature.model_dump_json(indent=2) + "\n")
    write_atomically(folder / CARD_FILE, model_card(name, record, notes))
    return SavedModel(
        uri=context.storage.uri(path),
        sha256=record.signature.model_sha256,
        size_bytes=path.stat().st_size,
        signature_uri=context.storage.uri(folder / SIGNATURE_FILE),
        card_uri=context.storage.uri(folder / CARD_FILE),
    )


def _record(path: Path) -> TrainingRecord:
    try:
        return TrainingRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise NotFound(
            "training_not_found",
            rule=f"The folder must contain {TRAINING_FILE}, which every training writes.",
            found="no readable {TRAINING_FILE}.",
            next_step="Name the folder that was the training's destination.",
            field="training",
        ) from None
