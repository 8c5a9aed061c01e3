"""The operation that compares two models on the same rows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from actions.context import Context
from actions.contracts.order import Gate
from actions.contracts.request import Sha256
from actions.contracts.supervised import MetricName, SupervisedTask
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.ml_evaluation.evaluate import Seed, rows_to_evaluate
from actions.models.comparison import Comparison
from actions.models.saved_model import open_model
from actions.operation import operation

DEFAULT_METRIC: dict[SupervisedTask, MetricName] = {"classification": "accuracy", "regression": "rmse"}


@operation(stage="evaluate", where="runner", read_only=True, open_to_agents="It only reads.")
def compare_models(  # noqa: PLR0913  # an operation's parameters are its public arguments
    context: Context,
    challenger: StorageUri,
    champion: StorageUri,
    data: DataUri | None = None,
    metric: MetricName | None = None,
    *,
    alpha: Annotated[float, Field(gt=0, le=0.5)] = Gate().alpha,
    margin: Annotated[float, Field(ge=0, le=1)] = Gate().margin,
    slices: list[str] | None = None,
    challenger_sha256: Sha256 | None = None,
    champion_sha256: Sha256 | None = None,
    seed: Seed = 0,
) -> Comparison:
    """Compare two models on the same rows with a paired bootstrap: every metric, slices, and a verdict.

    The verdict is that of a non-inferiority test. It is ``accepted`` if the challenger is shown to be no worse than the
    champion by more than the margin, ``rejected`` if it is shown to be worse, and ``too_close_to_tell`` if the rows
    show neither. A slice has regressed if the challenger is shown to be worse on its rows, with alpha divided among the
    slices. Differences are positive if the challenger is better, for errors and losses too.

    Parameters
    ----------
    challenger
        The new model's file under the storage root.
    champion
        The other model's file under the storage root.
    data
        Rows with the raw columns of both models and the target. By default, the test rows of the challenger's run.
    metric
        The metric to judge by. By default, accuracy or RMSE.
    alpha
        The risk of accepting a model that is worse by more than the margin. Each bound of the interval is one-sided.
    margin
        How much worse the challenger may be: an absolute difference, or for errors and losses a share of the
        champion's.
    slices
        Columns to slice the rows by: by value, or numbers by quartile. By default, up to five columns with few
        categories.
    challenger_sha256, champion_sha256
        The SHA-256 that each file must have.
    seed
        Seed of the resampling.

    Raises
    ------
    InvalidInput
        ``not_comparable``: the models differ in task, target or classes. ``wrong_metric``: the metric belongs to
        the other task. ``bucket_not_found``, ``data_empty``, ``data_not_found``, ``data_outside_roots``,
        ``data_unreadable``, ``digest_mismatch``, ``duplicate_columns``, ``infinite_values``, ``metric_undefined``,
        ``missing_columns``, ``model_unreadable``, ``no_rows``, ``outside_storage``, ``rows_empty``,
        ``signature_unreadable``, ``slice_column_missing``, ``target_has_missing_values``, ``target_missing``,
        ``too_many_columns``, ``unknown_class``, ``unknown_columns``, ``unknown_dataset``, ``unnamed_column``,
        ``unsupported_column_type``, ``unsupported_format``, ``unsupported_scheme``, ``untrusted_types``,
        ``wrong_type``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``predictions_not_finite``, ``s3_refused``.
    NotFound
        ``model_not_found``, ``test_rows_not_found``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> def trained(name, **settings):
    ...     rows = {"data": "sklearn://iris", "target": "target", "algorithm": "logistic_regression"}
    ...     find_operation("train_supervised_classifier").call({**rows, "destination": name, **settings}, context)
    ...     return find_operation("save_model").call({"training": name, "destination": name, "name": name}, context).uri
    >>> good, bad = trained("good"), trained("bad", hyperparameters={"C": 0.0001})
    >>> compare_models(context, bad, good, "sklearn://iris").verdict
    'rejected'
    >>> compare_models(context, good, bad, "sklearn://iris").reason
    'better'
    """
    from actions.ml_evaluation.paired_bootstrap import check_comparable, compare
    from actions.ml_evaluation.slices import default_columns

    new = open_model(storage_path(challenger, context, "challenger"), challenger_sha256)
    old = open_model(storage_path(champion, context, "champion"), champion_sha256)
    check_comparable(new, old)
    rows = rows_to_evaluate(data, challenger, new.signature.target, context)
    columns = default_columns(new, rows) if slices is None else slices
    judged_metric = metric or DEFAULT_METRIC[new.signature.task]
    return compare(new, old, rows, judged_metric, Gate(alpha=alpha, margin=margin), columns, seed=seed)
