"""Train on tables: fit the model on the training rows and save it."""

from __future__ import annotations

from actions.contracts.results import ModelFacts
from actions.data_preparation.tables import frame_of
from actions.ml_training.save import save_model
from actions.ml_training.train import train_model
from actions.ml_training.training_spec import TrainingSpec
from actions.storage.folder import sha256_of
from actions.storage.skops_file import open_fitted
from actions.tasks.tabular.request import TabularRequest
from actions.tasks.tabular.results import PreparedTables, TrainedPipeline
from actions.tasks.task import StageWork


def train(work: StageWork[TabularRequest], data: PreparedTables) -> TrainedPipeline:
    """Train on the training rows, with the hyperparameters of a search if one was requested; save the model."""
    request, context, folder = work.request, work.context, work.folder
    spec = TrainingSpec(
        request.task, request.algorithm, request.target, request.hyperparameters, work.order.training_seed
    )
    context.report("reading training rows")
    rows = frame_of(data.train.uri, context)
    validation = frame_of(data.validation.uri, context) if data.validation else None
    preprocessor = open_fitted(context.storage.path(data.preprocessor.uri), data.preprocessor.sha256)
    search = None
    if request.is_searched:
        from actions.tasks.tabular.search import search_hyperparameters

        search = search_hyperparameters(work, spec, preprocessor, rows, validation)
        spec = search.spec
    facts = search.facts if search else None
    trained = train_model(context, spec, preprocessor, rows, validation, folder, search=facts)
    uri = context.storage.uri(folder)
    saved = save_model(context, uri, uri, request.model_name, request.notes)
    return TrainedPipeline(
        model=ModelFacts(uri=saved.uri, sha256=saved.sha256, size_bytes=saved.size_bytes),
        signature_uri=saved.signature_uri,
        signature_sha256=sha256_of(context.storage.path(saved.signature_uri)),
        metrics=trained.metrics,
        warnings=trained.warnings,
        search=facts,
        study=search.files if search else {},
    )
