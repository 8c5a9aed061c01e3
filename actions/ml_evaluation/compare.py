"""The operation that puts two models to the same rows."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Gate, MetricName, Sha256, Task
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.ml_evaluation.evaluate import Seed, rows_to_evaluate_on
from actions.models.comparison import Comparison
from actions.models.saved_model import open_model
from actions.operation import operation

USUAL_METRIC: dict[Task, MetricName] = {"classification": "accuracy", "regression": "rmse"}


@operation(stage="evaluate", where="runner", read_only=True)
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
    """Compare two models on the same rows: paired bootstrap of each metric's difference, slices, and a verdict.

    The verdict is ``accepted`` where the challenger is shown to be no worse than the champion by more than the margin,
    ``rejected`` where it is shown to be, and ``too_close_to_tell`` where the rows show neither. A slice has regressed where
    the same is shown of its rows alone, with alpha shared out among the slices. Differences are above zero where the
    challenger is better, of errors and losses too.

    Parameters
    ----------
    challenger
        The new model's file under the storage root.
    champion
        The other model's file under the storage root.
    data
        Rows with the raw columns of both and the target. Without it: the test rows of the challenger's run.
    metric
        What the verdict is about. Without it: accuracy or RMSE.
    alpha
        The risk of accepting a model that is worse by more than the margin: each bound of the interval is one-sided.
    margin
        How much worse the challenger may be: in the metric's own points; of errors and losses, a share of the champion's.
    slices
        Columns to tell rows apart by: by value, numbers by quarters. Without it: up to five columns of few categories.
    challenger_sha256, champion_sha256
        The digests that the files must have.
    seed
        Of the bootstrap's draws.

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
    from actions.ml_evaluation.paired_bootstrap import check_comparable, compared
    from actions.ml_evaluation.slices import usual_columns

    new = open_model(storage_path(challenger, context, "challenger"), challenger_sha256)
    old = open_model(storage_path(champion, context, "champion"), champion_sha256)
    check_comparable(new, old)
    rows = rows_to_evaluate_on(data, challenger, new.signature.target, context)
    chosen = usual_columns(new, rows) if slices is None else slices
    asked = metric or USUAL_METRIC[new.signature.task]
    return compared(new, old, rows, asked, Gate(alpha=alpha, margin=margin), chosen, seed=seed)
