"""The operation that keeps an evaluation: its figures as JSON, its plots as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from actions.data_preparation.sources import StorageUri, storage_path
from actions.ml_evaluation.results import ClassifierEvaluation, Evaluation, RegressorEvaluation
from actions.operation import Context, Result, operation
from actions.request import Sha256
from actions.storage import sha256_of, write_atomically

RESULTS_FILE = "results.json"
PLOTS_FOLDER = "plots"


class SavedEvaluation(Result):
    """An evaluation under the storage root."""

    uri: str
    sha256: Sha256
    plots: dict[str, Sha256] = Field(description="digest by URI")


@operation(stage="evaluate", where="runner", idempotent=True)
def save_evaluation_results(
    context: Context,
    evaluation: Annotated[ClassifierEvaluation | RegressorEvaluation, Field(discriminator="task")],
    destination: StorageUri,
) -> SavedEvaluation:
    """Write an evaluation as ``results.json`` and its plots as PNG below ``plots/``.

    Confusion matrix, ROC, precision and recall, calibration; or predicted against true values, and residuals.

    Parameters
    ----------
    evaluation
        What ``evaluate_classifier`` or ``evaluate_regressor`` returned.
    destination
        The folder under the storage root.
    """
    return save_evaluation(evaluation, storage_path(destination, context, "destination"), context)


def save_evaluation(evaluation: Evaluation, folder: Path, context: Context) -> SavedEvaluation:
    """Write an evaluation and its plots to a folder."""
    from actions.ml_evaluation.plots import plots_of

    plots = {}
    for name, content in plots_of(evaluation).items():
        path = folder / PLOTS_FOLDER / name
        write_atomically(path, content)
        plots[context.storage.uri(path)] = sha256_of(path)
    path = folder / RESULTS_FILE
    write_atomically(path, evaluation.model_dump_json(indent=2) + "\n")
    return SavedEvaluation(uri=context.storage.uri(path), sha256=sha256_of(path), plots=plots)
