"""The operation that saves an evaluation: its results as JSON, its plots as PNG."""

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
"""A result, or the URI of a file that contains it. As a plain object, so that its schema is not repeated at every entry point."""

ResultT = TypeVar("ResultT")


class SavedEvaluation(Result):
    """An evaluation under the storage root."""

    uri: str
    sha256: Sha256
    plots: dict[str, Sha256] = Field(description="SHA-256 by URI")
    comparison_uri: str | None = None


@operation(
    stage="evaluate",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def save_evaluation_results(
    context: Context,
    evaluation: Given,
    destination: StorageUri,
    comparison: Given | None = None,
) -> SavedEvaluation:
    """Write an evaluation as ``results.json``, and its plots as PNG files in ``plots/``.

    The plots are the confusion matrix, ROC, precision and recall, and calibration; or predicted against true values,
    and residuals. Also permutation importances, learning curves if the training recorded any, and the comparison if one
    is given.

    Parameters
    ----------
    evaluation
        The result of ``evaluate_classifier`` or ``evaluate_regressor``, or the URI of its ``results.json``.
    destination
        The folder under the storage root.
    comparison
        The result of ``compare_models``, or the URI of a file that contains it. It is written to ``comparison.json``.

    Raises
    ------
    InvalidInput
        ``comparison_unreadable``: the comparison is not a result of compare_models. ``evaluation_unreadable``: the
        evaluation is not a result of an evaluation operation. ``bucket_not_found``, ``object_too_large``,
        ``outside_storage``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.
    NotFound
        ``comparison_not_found``: there is no file at the comparison's URI. ``evaluation_not_found``: there is no
        file at the evaluation's URI.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> rows = {"data": "sklearn://diabetes", "target": "target"}
    >>> training = find_operation("train_supervised_regressor").call({**rows, "destination": "out"}, context)
    >>> saved = find_operation("save_model").call({"training": "out", "destination": "out", "name": "sugar"}, context)
    >>> arguments = {"model": saved.uri, "data": "sklearn://diabetes"}
    >>> evaluation = find_operation("evaluate_regressor").call(arguments, context)
    >>> sorted(save_evaluation_results(context, evaluation.model_dump(), "kept").plots)
    ['kept/plots/importances.png', 'kept/plots/predicted_vs_true.png', 'kept/plots/residuals.png']
    """
    return save_evaluation(
        read_evaluation(evaluation, context),
        storage_path(destination, context, "destination"),
        context,
        read_comparison(comparison, context),
    )


def save_evaluation(
    evaluation: Evaluation, folder: Path, context: Context, comparison: Comparison | None = None
) -> SavedEvaluation:
    """Write an evaluation and its plots to a folder."""
    from actions.ml_evaluation.plots import comparison_plot, plots_of

    images = plots_of(evaluation)
    if comparison is not None:
        images[COMPARISON_PLOT] = comparison_plot(comparison)
    plots = {}
    for name, content in images.items():
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


def read_evaluation(given: Given, context: Context) -> Evaluation:
    """Return an evaluation, reading it from its file if it is given as a URI.

    Raises
    ------
    NotFound
        ``evaluation_not_found``.
    InvalidInput
        ``evaluation_unreadable``.
    """
    return _read(given, _EVALUATION, "evaluation", "evaluate_classifier", context)


def read_comparison(given: Given | None, context: Context) -> Comparison | None:
    """Return a comparison, reading it from its file if it is given as a URI.

    Raises
    ------
    NotFound
        ``comparison_not_found``.
    InvalidInput
        ``comparison_unreadable``.
    """
    return None if given is None else _read(given, _COMPARISON, "comparison", "compare_models", context)


def _read(given: Given, adapter: TypeAdapter[ResultT], name: str, operation_name: str, context: Context) -> ResultT:
    try:
        if isinstance(given, dict):
            return adapter.validate_python(given)
        return adapter.validate_json(storage_path(given, context, name).read_bytes())
    except OSError:
        raise NotFound(
            f"{name}_not_found",
            rule=f"The {name} must be a file under the storage root.",
            found=f"no file {given}.",
            next_step=f"Name the JSON file that contains the result of {operation_name}.",
            field=name,
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise InvalidInput(
            f"{name}_unreadable",
            rule=f"The {name} must be the result of {operation_name}, as JSON.",
            found=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."[:500],
            next_step=f"Run {operation_name} again and pass its result.",
            field=name,
        ) from None
