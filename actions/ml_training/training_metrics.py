"""The operation that returns the metrics of a training, during and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from actions.context import Context
from actions.contracts.request import Repository
from actions.contracts.results import Progress
from actions.contracts.run_id import RunId
from actions.errors import NotFound
from actions.ml_training.progress import CURVES_FILE
from actions.models.training_record import TRAINING_FILE, TrainingRecord
from actions.operation import Result, operation

_CURVES: TypeAdapter[dict[str, dict[str, list[float | None]]]] = TypeAdapter(dict[str, dict[str, list[float | None]]])


class TrainingMetrics(Result):
    """The metrics of a run's training."""

    state: Literal["running", "failed", "finished"]
    step: str
    done: int | None = None
    total: int | None = None
    eta_seconds: float | None = Field(default=None, description="while it runs: the longest time that remains")
    metrics: dict[str, float]
    curves: dict[str, dict[str, list[float | None]]] = Field(
        default_factory=dict, description="while it runs: the rounds so far"
    )
    seconds: float | None = None
    rows_per_second: float | None = None


@operation(where="app", read_only=True, open_to_agents="It only reads.")
def get_training_metrics(
    context: Context, repository: Repository, run: RunId, attempt: Annotated[int, Field(ge=1)] = 1
) -> TrainingMetrics:
    """Return the live or final metrics of a run's training: losses per round, scores, rows per second.

    Parameters
    ----------
    repository
        The OWNER/NAME of the run's repository.
    run
        The run's id, such as ``train-20261122-001``.
    attempt
        The attempt of the run.

    Raises
    ------
    NotFound
        ``training_not_found``.
    InvalidInput
        ``bucket_not_found``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from actions.ml_training.train import train_supervised_classifier
    >>> from actions.storage.folder import Storage
    >>> context = Context(storage=Storage(Path(mkdtemp())))
    >>> made = train_supervised_classifier(
    ...     context, "sklearn://iris", "target", "acme/flowers/models/train-20261122-001/1", algorithm="logistic_regression"
    ... )
    >>> found = get_training_metrics(context, "acme/flowers", "train-20261122-001")
    >>> found.state, found.metrics == made.metrics
    ('finished', True)
    """
    folder = context.storage.folder(repository, "models", run, attempt)
    try:
        record = TrainingRecord.model_validate_json((folder / TRAINING_FILE).read_bytes())
    except (OSError, ValidationError):
        return _live(context, repository, run, attempt)
    return TrainingMetrics(
        state="finished",
        step="trained",
        metrics=record.metrics,
        curves=record.curves,
        seconds=record.seconds,
        rows_per_second=record.rows_per_second,
    )


def _live(context: Context, repository: str, run: str, attempt: int) -> TrainingMetrics:
    path = context.storage.folder(repository, "models", run, attempt) / "progress.json"
    try:
        progress = Progress.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        raise NotFound(
            "training_not_found",
            rule="No training metrics. The run's train stage must have started.",
            found=f"none of {run}, attempt {attempt}, in {repository}.",
            next_step="Check the run's stage, or name another attempt.",
            field="run",
        ) from None
    return TrainingMetrics(
        state="failed" if progress.error else "running",
        step=progress.step,
        done=progress.done,
        total=progress.total,
        eta_seconds=progress.eta_seconds,
        metrics=progress.metrics,
        curves=_curves_so_far(path.with_name(CURVES_FILE)),
        rows_per_second=progress.metrics.get("rows_per_second"),
    )


def _curves_so_far(path: Path) -> dict[str, dict[str, list[float | None]]]:
    try:
        return _CURVES.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return {}
