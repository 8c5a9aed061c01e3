"""The operation that searches for the best hyperparameters."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from actions.context import Context
from actions.contracts.algorithms import AlgorithmName, algorithm_names
from actions.contracts.request import Sha256
from actions.contracts.scalar import Scalar
from actions.contracts.supervised import METRICS, METRICS_OF, MetricName, SupervisedTask
from actions.data_preparation.readers import frame_sha256
from actions.data_preparation.sources import DataUri, StorageUri, storage_path
from actions.errors import InvalidInput, OperationError
from actions.ml_training.folds import compared_parts
from actions.ml_training.hyperparameters import checked_search_space
from actions.ml_training.interruption import until_interrupted
from actions.ml_training.progress import fingerprint
from actions.ml_training.search_space import Searched, SearchSpace
from actions.ml_training.train import Seed, read_and_check
from actions.ml_training.training_spec import TrainingSpec
from actions.operation import Result, operation
from actions.optional import require_library
from actions.storage.folder import sha256_of, write_atomically

if TYPE_CHECKING:
    import optuna

    from actions.ml_training.study import Compared, Search

STUDY_FILE = "study.journal"
TUNING_FILE = "tuning.json"
_MAX_TRIALS_LISTED = 1_000


class TuningTrial(Result):
    """One trial of a search."""

    number: int
    state: Literal["completed", "pruned", "failed"]
    value: float | None = Field(description="the metric on the validation rows; None if the trial was not completed")
    hyperparameters: dict[str, Scalar]
    seconds: float
    error: str | None = None


class TunedHyperparameters(Result):
    """The result of a search."""

    hyperparameters: dict[str, Scalar] = Field(
        description="the best ones, including those that were fixed: train with these"
    )
    metric: MetricName
    value: float = Field(description="on the rows that chose the best of many: on unseen rows expect a little less")
    baseline_score: float | None = Field(
        description="the metric with the fixed hyperparameters alone, the others by default; it is the value where no trial "
        "was better"
    )
    stopped_by: Literal["trials", "time"]
    completed: int = Field(ge=0)
    pruned: int = Field(ge=0)
    failed: int = Field(ge=0)
    seconds: float = Field(description="of this call")
    seconds_of_all: float = Field(description="of all trials, including those of earlier calls")
    importances: dict[str, float] = Field(
        description="the share of the value's variance that each hyperparameter explains; empty after too few trials"
    )
    trials: list[TuningTrial] = Field(max_length=_MAX_TRIALS_LISTED)
    study_uri: str = Field(description="the journal from which a later call resumes")
    plots: dict[str, Sha256] = Field(description="digest by URI")


@operation(
    stage="train",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def tune_hyperparameters(  # noqa: PLR0913  # an operation's parameters are its public arguments
    context: Context,
    data: DataUri,
    target: str,
    destination: StorageUri,
    *,
    task: SupervisedTask,
    algorithm: AlgorithmName,
    method: Literal["bayesian", "random", "successive_halving"] = "bayesian",
    metric: MetricName | None = None,
    space: dict[str, Searched] | None = None,
    hyperparameters: dict[str, Scalar] | None = None,
    trials: Annotated[int, Field(ge=1, le=10_000)] = 30,
    minutes: Annotated[float, Field(gt=0, le=10_080)] = 10,
    seed: Seed = 42,
    validation: DataUri | None = None,
    folds: Annotated[int, Field(ge=2, le=20)] | None = None,
    preprocessor: StorageUri | None = None,
) -> TunedHyperparameters:
    """Search for the hyperparameters with the best metric on validation rows, within a budget of trials and time.

    The result is never worse than the fixed hyperparameters alone. Trials that are clearly worse than others were at the same
    point are pruned: after the same share of their rounds, of the folds, or of the training rows. The study is stored in the
    destination; a later call resumes it, after an interruption or for more trials.

    Parameters
    ----------
    data
        The training rows, with their raw columns and the target.
    target
        The column to predict.
    destination
        The folder below the storage root to write ``study.journal``, ``tuning.json`` and ``plots/`` to.
    task
        classification or regression.
    algorithm
        The algorithm whose hyperparameters to search.
    method
        bayesian (a tree-structured Parzen estimator), random, or successive_halving (random; the best third continues at
        each step). The first two prune by the median.
    metric
        The metric to optimise. Default: log_loss for classification, rmse for regression.
    space
        For each hyperparameter a range ``{"low": 0.01, "high": 0.3, "log": true}`` or ``{"choices": [...]}``. Default: the
        algorithm's search space in docs/algorithms.md.
    hyperparameters
        The fixed hyperparameters.
    trials
        The number of trials that the study is to reach.
    minutes
        The time limit of this call. A fit of an algorithm without rounds is not cut off.
    seed
        The seed of the search, of each training, and of the split that holds rows out.
    validation
        The rows to compare trials on. Without them, a fifth of the training rows is held out.
    folds
        Compare trials by cross-validation over the training rows instead, with this number of folds.
    preprocessor
        The file that ``preprocess_supervised`` saved. Without it, a preprocessor is fitted on the training rows.

    Raises
    ------
    InvalidInput
        ``no_trial_finished``: no trial of the search was completed. ``nothing_to_search``: the search space has no
        hyperparameter to vary. ``wrong_task``: the model was trained for the other task. ``bucket_not_found``,
        ``constant_target_in_training``, ``contradictory_hyperparameters``, ``data_empty``, ``data_not_found``,
        ``data_outside_roots``, ``data_unreadable``, ``digest_mismatch``, ``duplicate_columns``, ``empty_column``,
        ``hyperparameter_refused``, ``infinite_values``, ``loss_not_finite``, ``mixed_types``, ``model_unreadable``,
        ``no_features``, ``no_validation_rows``, ``object_too_large``, ``one_class_in_training``,
        ``outside_storage``, ``reserved_hyperparameter``, ``target_constant``, ``target_empty``,
        ``target_has_missing_values``, ``target_missing``, ``target_wrong_kind``, ``too_few_rows``,
        ``too_many_columns``, ``training_refused``, ``unknown_dataset``, ``unknown_hyperparameter``,
        ``unnamed_column``, ``unsupported_column_type``, ``unsupported_format``, ``unsupported_scheme``,
        ``untrusted_types``, ``wrong_type``.
    Conflict
        ``other_search``: the destination contains the trials of another search. ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``out_of_memory``, ``s3_unavailable``.
    OperationError
        ``metric_undefined``: the metric cannot be computed on these rows. ``s3_refused``.
    NotFound
        ``model_not_found``.
    Interrupted
        ``tuning_interrupted``: the process was asked to stop; a new call resumes. ``training_interrupted``.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.storage.folder import Storage
    >>> context = Context(storage=Storage(Path(mkdtemp())))
    >>> found = tune_hyperparameters(
    ...     context, "sklearn://wine", "target", "tuning", task="classification", algorithm="logistic_regression", trials=5
    ... )
    >>> len(found.trials), found.value < 0.1, found.value <= found.baseline_score, found.study_uri
    (5, True, True, 'tuning/study.journal')

    References
    ----------
    Bergstra et al., Algorithms for Hyper-Parameter Optimization, NIPS 2011 (TPE). Li et al., A System for Massively Parallel
    Hyperparameter Tuning, MLSys 2020 (asynchronous successive halving). Akiba et al., Optuna, KDD 2019.
    """
    require_library("optuna", "A search", "tuning")
    from actions.ml_training.study import Search

    folder = storage_path(destination, context, "destination")
    chosen = metric or ("log_loss" if task == "classification" else "rmse")
    _check_fits(task, algorithm, chosen)
    fixed = hyperparameters or {}
    space = checked_search_space(task, algorithm, space, fixed)
    spec = TrainingSpec(task, algorithm, target, fixed, seed)
    train, watched, steps = read_and_check(context, spec, data, validation, preprocessor)
    compared = compared_parts(spec, steps, train, watched, folds)
    rows = [frame_sha256(frame) for frame in (train, watched) if frame is not None]
    work = search_work(spec, chosen, method, space, rows, folds)
    search = Search(spec, space, chosen, method, work, trials, minutes * 60)
    return run_tuning(context, folder, search, compared)


def search_work(  # what makes trials comparable
    spec: TrainingSpec, metric: str, method: str, space: SearchSpace, rows: list[str], folds: int | None
) -> str:
    """Return the fingerprint of a search, which all trials of a study share."""
    return fingerprint(spec, metric=metric, method=method, space=_as_json(space), rows=rows, folds=folds)


def run_tuning(context: Context, folder: Path, search: Search, compared: Compared) -> TunedHyperparameters:
    """Search, or resume the study in the folder; write the study, the plots and the result there."""
    from actions.ml_training.study import open_study, run_search

    started = time.monotonic()
    with until_interrupted() as is_interrupted, open_study(folder / STUDY_FILE, search) as study:
        stopped_by = run_search(study, search, compared, context.report, is_interrupted)
        context.report("drawing plots")
        return _write_result(context, folder, study, search, stopped_by, time.monotonic() - started)


def _check_fits(task: SupervisedTask, algorithm: str, metric: str) -> None:
    for field, value, fitting in (
        ("algorithm", algorithm, algorithm_names(task)),
        ("metric", metric, [*METRICS_OF[task]]),
    ):
        if value not in fitting:
            raise InvalidInput(
                "wrong_task",
                rule=f"The {field} must be available for {task}.",
                found=f"{value}.",
                next_step=f"Choose from {', '.join(fitting)}.",
                field=field,
            )


def _as_json(space: SearchSpace) -> dict[str, Any]:
    return {name: searched.model_dump(mode="json") for name, searched in space.items()}


def _write_result(  # what a result is made of
    context: Context, folder: Path, study: optuna.Study, search: Search, stopped_by: Any, seconds: float
) -> TunedHyperparameters:
    """Write what was found, and return it."""
    from actions.ml_training.study import baseline_score, best, completed, ended, importances, seconds_spent

    found, trials = best(study, search), [_as_result(number, trial) for number, trial in enumerate(ended(study))]
    if found is None or (trials and not completed(study)):
        raise _none_finished(study)
    shares = importances(study)
    result = TunedHyperparameters(
        hyperparameters=found.hyperparameters,
        metric=search.metric,
        value=found.value,
        baseline_score=baseline_score(study),
        stopped_by=stopped_by,
        **{state: sum(trial.state == state for trial in trials) for state in ("completed", "pruned", "failed")},
        seconds=round(seconds, 3),
        seconds_of_all=round(seconds_spent(study), 3),
        importances=shares,
        trials=trials[-_MAX_TRIALS_LISTED:],
        study_uri=context.storage.uri(folder / STUDY_FILE),
        plots=_draw_plots(context, folder / "plots", trials, shares, search, baseline_score(study)),
    )
    write_atomically(folder / TUNING_FILE, result.model_dump_json(indent=2) + "\n")
    return result


def _draw_plots(  # what the plots are drawn from
    context: Context,
    folder: Path,
    trials: list[TuningTrial],
    shares: dict[str, float],
    search: Search,
    given: float | None,
) -> dict[str, Sha256]:
    """Draw the plots of the trials, if there are any; return their SHA-256 by URI."""
    from actions.ml_training.study_plots import Point, study_plots

    if not trials:
        return {}
    points = [Point(trial.number, trial.value) for trial in trials]
    better = METRICS[search.metric].higher_is_better
    plots: dict[str, Sha256] = {}
    for name, content in study_plots(points, shares, search.metric, given, higher_is_better=better).items():
        write_atomically(folder / name, content)
        plots[context.storage.uri(folder / name)] = sha256_of(folder / name)
    return plots


def _as_result(number: int, trial: Any) -> TuningTrial:
    """Return a trial for the result. Trials that were cut off are left out of the numbering."""
    states: dict[str, Literal["completed", "pruned", "failed"]] = {"COMPLETE": "completed", "PRUNED": "pruned"}
    state = states.get(trial.state.name, "failed")
    return TuningTrial(
        number=number,
        state=state,
        value=trial.value if state == "completed" else None,
        hyperparameters=trial.params,
        seconds=trial.user_attrs["seconds"],
        error=trial.user_attrs.get("error"),
    )


def _none_finished(study: optuna.Study) -> OperationError:
    from actions.ml_training.study import ended

    errors = [trial.user_attrs["error"] for trial in ended(study) if "error" in trial.user_attrs]
    errors = errors or [error for error in [study.user_attrs.get("baseline_error")] if error]
    found = f"{len(errors)} failed, the last one with {errors[-1]}" if errors else "the time was over before."
    return InvalidInput(
        "no_trial_finished",
        rule="At least one trial of a search must be completed.",
        found=found,
        next_step="Correct the space or the data."
        if errors
        else "Give it more minutes, or fewer rounds (n_estimators, epochs).",
        field="space" if errors else "minutes",
    )
