"""The stage train: fits the model on the training rows and saves it."""

from __future__ import annotations

from actions.ml_training.models import save_model
from actions.ml_training.recipe import Recipe
from actions.ml_training.supervised import train_model
from actions.operation import Context
from actions.request import WorkOrder
from actions.results import ModelFacts
from actions.stages.inputs import prepared
from actions.stages.records import uri_of
from actions.stages.results import Trained
from actions.storage import sha256_of


def train(order: WorkOrder, context: Context) -> Trained:
    """Train on the training rows; save the model with its signature and card."""
    request, data = order.request, prepared(order, context)
    recipe = Recipe(request.task, request.algorithm, request.target, request.hyperparameters, order.training_seed)
    folder = uri_of("train", order)
    validation = data.validation.uri if data.validation else None
    steps = data.preprocessor
    made = train_model(context, recipe, data.train.uri, validation, steps.uri, folder, preprocessor_sha256=steps.sha256)
    saved = save_model(context, folder, folder, request.model_name, request.notes)
    return Trained(
        model=ModelFacts(uri=saved.uri, sha256=saved.sha256, size_bytes=saved.size_bytes),
        signature_uri=saved.signature_uri,
        signature_sha256=sha256_of(context.storage.path(saved.signature_uri)),
        metrics=made.metrics,
        warnings=made.warnings,
    )
