"""The history's operations: they format a run's record as Markdown, and commit it."""

from __future__ import annotations

from actions.context import Context, Reader
from actions.contracts.png import is_png
from actions.errors import InvalidInput, NotFound
from actions.history_management.change import HistoryChange, history_change
from actions.history_management.record import RunRecord
from actions.history_management.report import render
from actions.operation import Result, operation

MAX_PLOT_BYTES = 5_000_000


class TrainingHistory(Result):
    """A run's Markdown, and its path in the repository."""

    path: str
    markdown: str


class CommittedHistory(Result):
    """The commit that contains a run's files."""

    commit: str
    version: int | None
    files: list[str]


@operation(where="app", read_only=True, open_to_agents="It only reads.")
def format_training_history(record: RunRecord) -> TrainingHistory:
    """Format a run's record as the Markdown file of the training history.

    Parameters
    ----------
    record
        The run: request, result, verdict, decisions, durations and links.

    Examples
    --------
    >>> request = {"model_name": "flowers", "task": "classification", "algorithm": "xgboost", "data": "sklearn://iris"}
    >>> record = RunRecord(
    ...     run="train-20261122-001",
    ...     repository="acme/flowers",
    ...     issue=7,
    ...     requester="ada",
    ...     request=request | {"target": "target", "metric": "accuracy", "threshold": 0.9},
    ...     status="cancelled",
    ...     why="The data was incomplete.",
    ...     created="2026-11-22T10:00:00Z",
    ...     finished="2026-11-22T10:02:05Z",
    ... )
    >>> page = format_training_history(record)
    >>> page.path, "The data was incomplete." in page.markdown
    ('training_history/train-20261122-001.md', True)
    """
    change = history_change(record)
    return TrainingHistory(path=change.markdown_path, markdown=render(record, tuple(change.plots)))


@operation(where="app", idempotent=True)
def commit_training_history(record: RunRecord, context: Context, plots: str | None = None) -> CommittedHistory:
    """Commit a run's Markdown, lineage, plots, index row and registered version in a single commit.

    Committing the same record again changes nothing.

    Parameters
    ----------
    record
        The run: request, result, verdict, decisions, durations and links.
    plots
        The folder under the storage root that contains the record's plots. By default, no plots are committed.

    Raises
    ------
    InvalidInput
        ``not_a_plot``: a plot is not a PNG file, or is too large. ``nothing_to_commit``: the repository has no
        commit, and there is no file to commit. ``bucket_not_found``, ``invalid_model_file``,
        ``invalid_model_name``, ``invalid_yaml``, ``outside_storage``.
    Conflict
        ``history_path_taken``: a file, link or submodule is where the history must be. ``branch_busy``,
        ``changed_meanwhile``, ``local_changes``, ``version_differs``, ``work_tree_left_behind``.
    NotAllowed
        ``s3_access_denied``.
    Unavailable
        ``history_unavailable``, ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.
    NotFound
        ``plot_not_found``: a plot of the record does not exist.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.history_management.local import LocalHistory
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path("storage")), history=LocalHistory.at(Path.cwd()))  # in a git checkout
    >>> request = {"model_name": "flowers", "task": "classification", "algorithm": "xgboost", "data": "sklearn://iris"}
    >>> record = RunRecord(
    ...     run="train-20261122-001",
    ...     repository="acme/flowers",
    ...     issue=7,
    ...     requester="ada",
    ...     request=request | {"target": "target", "metric": "accuracy", "threshold": 0.9},
    ...     status="cancelled",
    ...     why="The data was incomplete.",
    ...     created="2026-11-22T10:00:00Z",
    ...     finished="2026-11-22T10:02:05Z",
    ... )
    >>> for path in commit_training_history(record, context).files:
    ...     print(path)
    training_history/index.md
    training_history/train-20261122-001.json
    training_history/train-20261122-001.md
    """
    change = history_change(record)
    images = _images(change, plots, context) if plots else {}
    change = HistoryChange(record, {name: path for name, path in change.plots.items() if path in images})

    def files(read: Reader) -> dict[str, bytes | None]:
        return change.files(read) | images

    history = context.require_history()
    commit = history.commit(change.message, files)
    paths = change.files(history.read)
    lineage = history.read(f"{change.markdown_path.removesuffix('.md')}.json")
    version = RunRecord.model_validate_json(lineage).version if lineage else None
    return CommittedHistory(commit=commit, version=version, files=sorted([*paths, *images]))


def _images(change: HistoryChange, folder: str, context: Context) -> dict[str, bytes | None]:
    images: dict[str, bytes | None] = {}
    for name, path in change.plots.items():
        try:
            file = context.storage.path(f"{folder}/{name}")
        except ValueError as error:
            raise InvalidInput(
                "outside_storage",
                rule="Plots must be under the storage root.",
                found=f"{error}.",
                next_step="Name the folder by its path below the storage root.",
                field="plots",
            ) from None
        if not file.is_file():
            raise NotFound(
                "plot_not_found",
                rule="Every plot of the record must exist.",
                found=f"no file {folder}/{name}.",
                next_step="Name the folder that the evaluation wrote its plots to.",
                field="plots",
            )
        images[path] = _checked(name, file.read_bytes() if file.stat().st_size <= MAX_PLOT_BYTES else b"")
    return images


def _checked(name: str, content: bytes) -> bytes:
    if not is_png(content):
        raise InvalidInput(
            "not_a_plot",
            rule=f"A plot must be a PNG file of at most {MAX_PLOT_BYTES // 1_000_000} MB.",
            found=f"{name}, which is not.",
            next_step="Draw it again.",
            field="plots",
        )
    return content
