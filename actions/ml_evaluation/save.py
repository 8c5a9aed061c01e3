"""The operation that keeps an evaluation: its figures as JSON, its plots as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from actions.context import Context
from actions.contracts.request import Sha256
from actions.data_preparation.sources import StorageUri, storage_path
from actions.errors import InvalidInput, NotFound
from actions.models.comparison import Comparison
from actions.models.evaluation import ClassifierEvaluation, Evaluation, RegressorEvaluation
from actions.operation import Result, operation
from actions.storage.folder import sha256_of, write_atomically

RESULTS_FILE = "results.json"
COMPARISON_FILE = "comparison.json"
PLOTS_FOLDER = "plots"
COMPARISON_PLOT = "comparison.png"

_EVALUATION: TypeAdapter[Evaluation] = TypeAdapter(
    Annotated[ClassifierEvaluation | RegressorEvaluation, Field(discriminator="task")]
)
_COMPARISON = TypeAdapter(Comparison)

Given = dict[str, Any] | StorageUri
"""A result's values, or the URI of a file that holds them: so the doors need not show all of its fields once more."""


Found = TypeVar("Found")


class SavedEvaluation(Result):
    """An evaluation under the storage root."""

    uri: str
    sha256: Sha256
    plots: dict[str, Sha256] = Field(description="digest by URI")
    comparison_uri: str | None = None


@operation(stage="evaluate", where="runner", idempotent=True)
def save_evaluation_results(
    context: Context,
    evaluation: Given,
    destination: StorageUri,
    comparison: Given | None = None,
) -> SavedEvaluation:
    """Write an evaluation as ``results.json`` and its plots as PNG below ``plots/``.

    Confusion matrix, ROC, precision and recall, calibration; or predicted against true values, and residuals. Permutation
    importances; learning curves where the training left any; the comparison with another model where one is given.

    Parameters
    ----------
    evaluation
        What ``evaluate_classifier`` or ``evaluate_regressor`` returned, or the URI of a ``results.json`` that holds it.
    destination
        The folder under the storage root.
    comparison
        What ``compare_models`` returned, or the URI of a file that holds it; kept as ``comparison.json``.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> rows = {"data": "sklearn://diabetes", "target": "target"}
    >>> made = find_operation("train_supervised_regressor").call({**rows, "destination": "out"}, context)
    >>> saved = find_operation("save_model").call({"training": "out", "destination": "out", "name": "sugar"}, context)
    >>> asked = {"model": saved.uri, "data": "sklearn://diabetes"}
    >>> found = find_operation("evaluate_regressor").call(asked, context)
    >>> sorted(save_evaluation_results(context, found.model_dump(), "kept").plots)
    ['kept/plots/importances.png', 'kept/plots/predicted_vs_true.png', 'kept/plots/residuals.png']
    """
    return save_evaluation(
        evaluation_in(evaluation, context),
        storage_path(destination, context, "destination"),
        context,
        comparison_in(comparison, context),
    )


def save_evaluation(
    evaluation: Evaluation, folder: Path, context: Context, comparison: Comparison | None = None
) -> SavedEvaluation:
    """Write an evaluation and its plots to a folder."""
    from actions.ml_evaluation.plots import comparison_plot, plots_of

    drawn = plots_of(evaluation)
    if comparison is not None:
        drawn[COMPARISON_PLOT] = comparison_plot(comparison)
    plots = {}
    for name, content in drawn.items():
        path = folder / PLOTS_FOLDER / name
        write_atomically(path, content)
        plots[context.storage.uri(path)] = sha256_of(path)
    comparison_uri = None
    if comparison is not None:
        write_atomically(folder / COMPARISON_FILE, comparison.model_dump_json(indent=2) + "\n")
        comparison_uri = context.storage.uri(folder / COMPARISON_FILE)
    path = folder / RESULTS_FILE
    write_atomically(path, evaluation.model_dump_json(indent=2) + "\n")
    uri, sha256 = context.storage.uri(path), sha256_of(path)
    return SavedEvaluation(uri=uri, sha256=sha256, plots=plots, comparison_uri=comparison_uri)


def evaluation_in(given: Given, context: Context) -> Evaluation:
    """Return an evaluation, read from its file where a URI names one.

    Raises
    ------
    NotFound, InvalidInput
        ``evaluation_not_found``, ``evaluation_unreadable``.
    """
    return _read(given, _EVALUATION, "evaluation", "evaluate_classifier", context)


def comparison_in(given: Given | None, context: Context) -> Comparison | None:
    """Return a comparison, read from its file where a URI names one; raises as ``evaluation_in``."""
    return None if given is None else _read(given, _COMPARISON, "comparison", "compare_models", context)


def _read(given: Given, adapter: TypeAdapter[Found], what: str, made_by: str, context: Context) -> Found:
    try:
        if isinstance(given, dict):
            return adapter.validate_python(given)
        return adapter.validate_json(storage_path(given, context, what).read_bytes())
    except OSError:
        raise NotFound(
            f"{what}_not_found",
            rule=f"The {what} is a file under the storage root.",
            found=f"no file {given}.",
            next_step=f"Name the JSON file that holds what {made_by} returned.",
            field=what,
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise InvalidInput(
            f"{what}_unreadable",
            rule=f"The {what} is what {made_by} returned, as JSON.",
            found=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"[:500],
            next_step=f"Call {made_by} again and keep what it returns.",
            field=what,
        ) from None
