"""The search before training: for the hyperparameters that the request leaves open, whose best the model is trained with."""

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
from actions.ml_training.folds import compared_parts, most_folds
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
"""Below the model's folder: the study, what it found, and its plots."""

_MAX_ROWS_IN_FOLDS = 5_000
_FOLDS = 5
_MAX_TRIALS = 1_000
_FIELDS = {"minutes": "search_minutes", "space": "hyperparameters"}
"""How the request calls what the operation has other names for."""
_SHARE_OF_TIME = 0.75
"""Of the stage's time-out that a search may take which was given no minutes: the model has to be trained, too."""


@dataclass(frozen=True)
class Searched:
    """What a search came to.

    Attributes
    ----------
    spec
        With all hyperparameters to train with.
    facts
        What is told of it.
    files
        Its study, what it found and its plots: digest by URI.
    """

    spec: TrainingSpec
    facts: SearchFacts
    files: dict[str, Sha256]


def searched(
    work: StageWork[TabularRequest],
    spec: TrainingSpec,
    preprocessor: Any,
    rows: pd.DataFrame,
    watched: pd.DataFrame | None,
) -> Searched:
    """Search within the request's budget, or go on with what an interrupted stage has left; the test rows are not looked at.

    Few rows are compared on by cross-validation over the training rows, many on the validation rows.
    """
    request, context = work.request, work.context
    folds = _folds(request, spec, rows)
    context.report("making features for the search")
    compared = compared_parts(spec, preprocessor, rows, watched, folds)
    search = _search(request, spec, [frame_sha256(frame) for frame in (rows, watched) if frame is not None], folds)
    own = work.folder / SEARCH_FOLDER
    found = _tuned(context, own, search, compared)
    kept = context.storage.uri(own / TUNING_FILE)
    return Searched(
        spec=replace(spec, hyperparameters=found.hyperparameters),
        facts=_facts(found, folds),
        files={**{uri: sha256_of(context.storage.path(uri)) for uri in (found.study_uri, kept)}, **found.plots},
    )


def check_search(request: TabularRequest) -> None:
    """Refuse, before anything is written, a search that has nothing to vary, or something that does not go with the rest.

    Raises
    ------
    InvalidInput
        ``nothing_to_search``; and what ``checked_search_space`` raises.
    """
    usual = algorithm_named(request.algorithm).search_space
    if set(usual) <= set(request.hyperparameters):
        raise InvalidInput(
            "nothing_to_search",
            rule="A search varies at least one hyperparameter that the request leaves open.",
            found=f"{', '.join(usual)} are all given.",
            next_step=f"Leave out one of them, or leave the fields of the search empty: {request.algorithm} is then trained "
            "as it is.",
            field="hyperparameters",
        )
    checked_search_space(request.task, request.algorithm, None, request.hyperparameters)


def _tuned(context: Context, folder: Path, search: Search, compared: Compared) -> TunedHyperparameters:
    """Search; what goes wrong is told by the request's own fields."""
    try:
        return run_tuning(context, folder, search, compared)
    except Conflict:  # the study is of data that the attempt had before
        shutil.rmtree(folder)
        return run_tuning(context, folder, search, compared)
    except InvalidInput as error:
        body = error.body
        field = _FIELDS.get(body.field or "", body.field)
        raise InvalidInput.from_problem(body, field=field) from error


def _folds(request: TabularRequest, spec: TrainingSpec, rows: pd.DataFrame) -> int | None:
    """Return how many folds trials are compared in; None where the validation rows do that better."""
    # Rows of one group, or of one time, would stand in several folds; prepare has chosen validation rows that do not.
    if request.split in ("group", "time"):
        return None
    return _FOLDS if len(rows) <= _MAX_ROWS_IN_FOLDS and most_folds(spec, rows) >= _FOLDS else None


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


def _facts(found: TunedHyperparameters, folds: int | None) -> SearchFacts:
    return SearchFacts(
        metric=found.metric,
        value=found.value,
        as_given=found.as_given,
        folds=folds,
        completed=found.completed,
        pruned=found.pruned,
        failed=found.failed,
        stopped_by=found.stopped_by,
        seconds=found.seconds_of_all,
        hyperparameters=found.hyperparameters,
        importances=found.importances,
    )
