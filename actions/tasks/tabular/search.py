"""Searches for the hyperparameters that a request leaves open, before the model is trained with the best."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actions.context import Context
from actions.contracts.request import Sha256
from actions.contracts.results import SearchFacts
from actions.data_preparation.readers import frame_sha256
from actions.errors import Conflict, InvalidInput
from actions.ml_training.folds import compared_parts, max_folds
from actions.ml_training.hyperparameters import checked_search_space
from actions.ml_training.registry import algorithm_named
from actions.ml_training.training_spec import TrainingSpec
from actions.ml_training.tune import TUNING_FILE, TunedHyperparameters, run_tuning, search_work
from actions.storage.folder import sha256_of
from actions.tasks.tabular.request import TabularRequest
from actions.tasks.task import StageWork

if TYPE_CHECKING:
    import pandas as pd

    from actions.ml_training.study import Compared, Search

SEARCH_FOLDER = "search"
"""Below the model's folder: the study, its outcome and its plots."""

_MAX_ROWS_IN_FOLDS = 5_000
_FOLDS = 5
_MAX_TRIALS = 1_000
_FIELDS = {"minutes": "search_minutes", "space": "hyperparameters"}
"""The request's names for the operation's parameters."""
_SHARE_OF_TIME = 0.75
"""Share of the stage's time-out for a search without a limit in minutes; the model must be trained in the rest."""


@dataclass(frozen=True)
class SearchOutcome:
    """The outcome of a search.

    Attributes
    ----------
    spec
        What to train, with all hyperparameters.
    facts
        What history and comments show of the search.
    files
        The study, its outcome and its plots: digest by URI.
    """

    spec: TrainingSpec
    facts: SearchFacts
    files: dict[str, Sha256]


def search_hyperparameters(
    work: StageWork[TabularRequest],
    spec: TrainingSpec,
    preprocessor: Any,
    rows: pd.DataFrame,
    validation: pd.DataFrame | None,
) -> SearchOutcome:
    """Search within the request's budget, or continue the search of an interrupted stage.

    If there are few rows, trials are compared by cross-validation over the training rows; if there are many, on the
    validation rows. The test rows are never used.
    """
    request, context = work.request, work.context
    folds = _folds(request, spec, rows)
    context.report("making features for the search")
    compared = compared_parts(spec, preprocessor, rows, validation, folds)
    search = _search(request, spec, [frame_sha256(frame) for frame in (rows, validation) if frame is not None], folds)
    folder = work.folder / SEARCH_FOLDER
    tuned = _tune(context, folder, search, compared)
    outcome_uri = context.storage.uri(folder / TUNING_FILE)
    return SearchOutcome(
        spec=replace(spec, hyperparameters=tuned.hyperparameters),
        facts=_facts(tuned, folds),
        files={**{uri: sha256_of(context.storage.path(uri)) for uri in (tuned.study_uri, outcome_uri)}, **tuned.plots},
    )


def check_search(request: TabularRequest) -> None:
    """Refuse a search that has nothing to vary, or whose fixed hyperparameters exclude each other.

    Raises
    ------
    InvalidInput
        ``nothing_to_search``; and what ``checked_search_space`` raises.
    """
    space = algorithm_named(request.algorithm).search_space
    if set(space) <= set(request.hyperparameters):
        raise InvalidInput(
            "nothing_to_search",
            rule="A search must have at least one hyperparameter that the request does not set.",
            found=f"the request sets all of {', '.join(space)}.",
            next_step=f"Remove one of them, or leave the search fields empty to train {request.algorithm} with these settings.",
            field="hyperparameters",
        )
    checked_search_space(request.task, request.algorithm, None, request.hyperparameters)


def _tune(context: Context, folder: Path, search: Search, compared: Compared) -> TunedHyperparameters:
    """Search; an error names the request's field instead of the operation's parameter."""
    try:
        return run_tuning(context, folder, search, compared)
    except Conflict:  # the study belongs to data that the attempt used before
        shutil.rmtree(folder)
        return run_tuning(context, folder, search, compared)
    except InvalidInput as error:
        field = _FIELDS.get(error.problem.field or "", error.problem.field)
        raise InvalidInput.from_problem(error.problem, field=field) from error


def _folds(request: TabularRequest, spec: TrainingSpec, rows: pd.DataFrame) -> int | None:
    """Return the number of folds for comparing trials; None to compare them on the validation rows."""
    # Folds would mix rows of one group or one period; the validation rows that prepare chose do not.
    if request.split in ("group", "time"):
        return None
    return _FOLDS if len(rows) <= _MAX_ROWS_IN_FOLDS and max_folds(spec, rows) >= _FOLDS else None


def _search(request: TabularRequest, spec: TrainingSpec, rows: list[str], folds: int | None) -> Search:
    from actions.ml_training.study import Search

    space = checked_search_space(spec.task, spec.algorithm, None, spec.hyperparameters)
    minutes = request.search_minutes
    return Search(
        spec=spec,
        space=space,
        metric=request.metric,
        method="bayesian",
        work=search_work(spec, request.metric, "bayesian", space, rows, folds),
        trials=request.search_trials or _MAX_TRIALS,
        seconds=60 * (request.timeout_minutes * _SHARE_OF_TIME if minutes is None else minutes),
        over_all=minutes is not None,
    )


def _facts(tuned: TunedHyperparameters, folds: int | None) -> SearchFacts:
    return SearchFacts(
        metric=tuned.metric,
        value=tuned.value,
        baseline_score=tuned.baseline_score,
        folds=folds,
        completed=tuned.completed,
        pruned=tuned.pruned,
        failed=tuned.failed,
        stopped_by=tuned.stopped_by,
        seconds=tuned.seconds_of_all,
        hyperparameters=tuned.hyperparameters,
        importances=tuned.importances,
    )
