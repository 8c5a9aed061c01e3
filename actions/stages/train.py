"""The stage train: fits the model on the training rows and saves it."""

from __future__ import annotations

from actions.context import Context
from actions.contracts.request import WorkOrder
from actions.contracts.results import ModelFacts
from actions.data_preparation.tables import frame_of
from actions.ml_training.save import save_model
from actions.ml_training.train import train_model
from actions.ml_training.training_spec import TrainingSpec
from actions.stages.inputs import prepared
from actions.stages.records import folder_of
from actions.stages.results import Trained
from actions.storage.folder import sha256_of
from actions.storage.skops_file import open_fitted


def train(order: WorkOrder, context: Context) -> Trained:
    """Train on the training rows, with the hyperparameters that a search finds if one is asked for; save the model."""
    request, data = order.request, prepared(order, context)
    spec = TrainingSpec(request.task, request.algorithm, request.target, request.hyperparameters, order.training_seed)
    context.report("reading training rows")
    rows = frame_of(data.train.uri, context)
    watched = frame_of(data.validation.uri, context) if data.validation else None
    preprocessor = open_fitted(context.storage.path(data.preprocessor.uri), data.preprocessor.sha256)
    folder = folder_of("train", order, context.storage)
    found = None
    if request.is_searched:
        from actions.stages.search import searched

        found = searched(order, context, spec, preprocessor, rows, watched, folder)
        spec = found.spec
    facts = found.facts if found else None
    made = train_model(context, spec, preprocessor, rows, watched, folder, search=facts)
    uri = context.storage.uri(folder)
    saved = save_model(context, uri, uri, request.model_name, request.notes)
    return Trained(
        model=ModelFacts(uri=saved.uri, sha256=saved.sha256, size_bytes=saved.size_bytes),
        signature_uri=saved.signature_uri,
        signature_sha256=sha256_of(context.storage.path(saved.signature_uri)),
        metrics=made.metrics,
        warnings=made.warnings,
        search=facts,
        study=found.files if found else {},
    )
