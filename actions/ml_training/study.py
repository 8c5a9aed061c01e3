"""A study: chooses, prunes and counts trials, and resumes from a journal file. Works on arrays.

Imports Optuna: import this module inside functions only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from actions.context import Report
from actions.contracts.supervised import METRICS
from actions.errors import Conflict, Interrupted, OperationError
from actions.ml_training.algorithm import Parts
from actions.ml_training.fitting import fit_estimator, scores_of
from actions.ml_training.interruption import IsInterrupted
from actions.ml_training.progress import HIGHER_IS_BETTER, TrainingProgress
from actions.ml_training.registry import algorithm_named
from actions.ml_training.search_space import Range, SearchSpace
from actions.ml_training.training_spec import TrainingSpec

Method = Literal["bayesian", "random", "successive_halving"]
StoppedBy = Literal["trials", "time"]
Compared = Sequence[Parts]
"""The rows that trials are compared on: one training and one validation part, or those of each fold."""

RUNGS = 27
"""The number of equal steps of its rounds after which a trial is compared with others."""
_REDUCTION = 3
_SHARES_OF_ROWS = (1 / 9, 1 / 3)
"""An algorithm that reports no losses is compared after fits to these shares of the rows."""
_NAME = "tuning"
_BASELINE = "baseline_score"


@dataclass(frozen=True)
class Search:
    """What to search, and for how long.

    Parameters
    ----------
    spec
        The training, with the fixed hyperparameters.
    metric
        The metric on the validation rows to optimise.
    work
        The fingerprint of everything that makes trials comparable.
    trials
        The number of trials to reach, including those of earlier calls.
    seconds
        The time that this call may take.
    over_all
        Whether the time of earlier calls counts as well.
    """

    spec: TrainingSpec
    space: SearchSpace
    metric: str
    method: Method
    work: str
    trials: int
    seconds: float
    over_all: bool = False

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        return "maximize" if METRICS[self.metric].higher_is_better else "minimize"


@dataclass(frozen=True)
class Best:
    """The best result so far.

    Parameters
    ----------
    hyperparameters
        All that were set, including the fixed ones.
    value
        Their score.
    """

    hyperparameters: dict[str, Any]
    value: float


class _OutOfTimeError(Exception):
    """The time ran out during a trial."""


@contextmanager
def open_study(path: Path, search: Search) -> Iterator[optuna.Study]:
    """Open or create a study's journal. Each of its lines is JSON; nothing is pickled.

    Raises
    ------
    Conflict
        ``other_search``, if the journal belongs to another search.
    """
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _repair_journal(path)
        storage = JournalStorage(JournalFileBackend(str(path)))
        known = _NAME in optuna.get_all_study_names(storage)
        if known:
            found = optuna.load_study(study_name=_NAME, storage=storage)
        else:
            found = optuna.create_study(study_name=_NAME, storage=storage, direction=search.direction)
        kept = found.user_attrs.get("work")
        if kept is None:
            found.set_user_attr("work", search.work)
        elif kept != search.work:
            raise Conflict(
                "other_search",
                rule="All trials of a study must belong to one search, with the same data, metric, method, space and seed.",
                found=f"{path.name} contains those of another search.",
                next_step="Name another destination, or remove the study.",
                field="destination",
            )
        found.pruner = _pruner(search.method)
        _close_running_trials(found)
        yield found
    finally:
        optuna.logging.set_verbosity(before)


def run_search(
    study: optuna.Study, search: Search, compared: Compared, report: Report, is_interrupted: IsInterrupted
) -> StoppedBy:
    """Measure the fixed hyperparameters alone, then run trials until their number is reached or the time is over.

    A trial that is cut off by the time or by a signal does not count; the next call repeats it, because a trial's draws depend
    only on its number and on the study.

    Raises
    ------
    Interrupted
        ``tuning_interrupted``, on SIGTERM or SIGINT.
    """
    started, first = time.monotonic(), len(ended(study))
    deadline = started + search.seconds - (seconds_spent(study) if search.over_all else 0)
    try:
        _measure_baseline(study, search, compared, deadline, is_interrupted)
    except _OutOfTimeError:
        return "time"
    except Interrupted:
        raise _interrupted(first, search.trials) from None
    report("trial", first, search.trials, _figures(study, search))
    while (done := len(ended(study))) < search.trials:
        if time.monotonic() >= deadline:
            return "time"
        study.sampler = _sampler(search.method, search.spec.seed, done)
        trial = study.ask()
        try:
            if is_interrupted():
                raise _interrupted(done, search.trials)
            state, value = run_trial(trial, study, search, compared, deadline, is_interrupted)
        except _OutOfTimeError:
            study.tell(trial, state=TrialState.FAIL)
            return "time"
        except Interrupted:
            study.tell(trial, state=TrialState.FAIL)
            raise _interrupted(done, search.trials) from None
        study.tell(trial, value, state=state)
        now = time.monotonic()
        allowed = int((deadline - now) * (done + 1 - first) / max(now - started, 1e-9))
        most = min(search.trials, done + 1 + max(allowed, 0))
        report("trial", done + 1, most, _figures(study, search))
    return "trials"


def _measure_baseline(
    study: optuna.Study, search: Search, compared: Compared, deadline: float, is_interrupted: IsInterrupted
) -> None:
    """Measure once how the model does without a search; the search must beat that."""
    if _BASELINE in study.user_attrs:
        return
    started = time.monotonic()
    progress = TrainingProgress(_Ladder(None, 1, deadline, len(compared)), is_interrupted=is_interrupted)
    value: float | None = None
    try:
        value = float(np.mean([_score(search, parts, progress) for parts in compared]))
    except Interrupted:
        raise
    except OperationError as error:
        study.set_user_attr("baseline_error", _summary(error))
    study.set_user_attr(_BASELINE, {"value": value, "seconds": round(time.monotonic() - started, 3)})


def baseline_score(study: optuna.Study) -> float | None:
    """Return the figure of the fixed hyperparameters alone, the others by default; None where it is not known."""
    value: float | None = study.user_attrs.get(_BASELINE, {}).get("value")
    return value


def best(study: optuna.Study, search: Search) -> Best | None:
    """Return what is best: what was given, unless a trial came to a better figure; None where nothing has one."""
    given = baseline_score(study)
    fixed = dict(search.spec.hyperparameters)
    if completed(study):
        value, better = float(study.best_value), METRICS[search.metric].higher_is_better
        if given is None or (value > given if better else value < given):
            return Best({**fixed, **study.best_params}, value)
    return None if given is None else Best(fixed, given)


def seconds_spent(study: optuna.Study) -> float:
    """Return how long the trials that count took, including those of earlier calls."""
    own = sum(trial.user_attrs["seconds"] for trial in ended(study))
    return float(own + study.user_attrs.get(_BASELINE, {}).get("seconds", 0))


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count: completed, pruned, or failed with an error; not those that were cut off."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        or (trial.state == TrialState.FAIL and "error" in trial.user_attrs)
    ]


def completed(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have a score."""
    return [trial for trial in ended(study) if trial.state == TrialState.COMPLETE]


def importances(study: optuna.Study) -> dict[str, float]:
    """Return the share of the scores' variance that each hyperparameter explains; empty after too few trials.

    PED-ANOVA: Watanabe, Bansal and Hutter, IJCAI 2023.
    """
    found = completed(study)
    if len(found) < 4 or len({trial.value for trial in found}) == 1:  # noqa: PLR2004  # fewer tell nothing
        return {}
    return {name: float(share) for name, share in optuna.importance.get_param_importances(study).items()}


def run_trial(  # what a trial is made of
    trial: Trial,
    study: optuna.Study,
    search: Search,
    compared: Compared,
    deadline: float,
    is_interrupted: IsInterrupted,
) -> tuple[TrialState, float | None]:
    """Run a trial and return how it ended. An error of its own is recorded with it and does not end the search."""
    started = time.monotonic()
    own = {name: _suggest(trial, name, searched) for name, searched in search.space.items()}
    again = next((known for known in completed(study) if known.params == trial.params), None)
    state, value, failure = TrialState.COMPLETE, again.value if again is not None else None, ""
    try:
        if again is None:
            spec = replace(search.spec, hyperparameters={**search.spec.hyperparameters, **own})
            value = _value(trial, replace(search, spec=spec), compared, deadline, is_interrupted)
    except optuna.TrialPruned:
        state = TrialState.PRUNED
    except Interrupted:
        raise
    except OperationError as error:
        state, failure = TrialState.FAIL, _summary(error)
    trial.set_user_attr("seconds", round(time.monotonic() - started, 3))
    if failure:
        trial.set_user_attr("error", failure)
    return state, value


def _summary(error: OperationError) -> str:
    return f"{error.problem.reason}: {error.problem.found}"[:500]


def _value(trial: Trial, search: Search, compared: Compared, deadline: float, is_interrupted: IsInterrupted) -> float:
    """Return a trial's score: with folds, the mean over them."""
    reports_losses = algorithm_named(search.spec.algorithm).reports_losses
    ladder = _Ladder(trial, 1 if search.direction == "minimize" else -1, deadline, len(compared))
    values: list[float] = []
    for place, parts in enumerate(compared):
        ladder.fold = place
        if len(compared) == 1 and not reports_losses:
            for share in _SHARES_OF_ROWS:
                fewer = {**parts, "train": _share(search.spec, parts["train"], share)}
                ladder.climb(
                    share, ladder.sign * _score(search, fewer, TrainingProgress(ladder, is_interrupted=is_interrupted))
                )
        values.append(_score(search, parts, TrainingProgress(ladder, is_interrupted=is_interrupted)))
        if not reports_losses:
            ladder.climb((place + 1) / len(compared), ladder.sign * float(np.mean(values)))
    return float(np.mean(values))


def _score(search: Search, parts: Parts, progress: TrainingProgress) -> float:
    estimator, _, _ = fit_estimator(search.spec, parts, progress)
    value = scores_of(search.spec.task, estimator, *parts["validation"])[search.metric]
    if value is None or not math.isfinite(value):
        raise OperationError(
            "metric_undefined",
            rule="The metric must be defined on the validation rows.",
            found=f"{search.metric} is undefined.",
            next_step="Choose another metric, or validation rows with more cases.",
            field="metric",
        )
    return value


class _Ladder:
    """A report that prunes a trial that does worse than others did at the same step, and ends one when the time is over.

    With folds, the steps of each follow those of the one before. Without a trial, only the time ends the training.
    """

    def __init__(self, trial: Trial | None, sign: int, deadline: float, folds: int) -> None:
        self.trial, self.sign, self.deadline, self.folds = trial, sign, deadline, folds
        self.fold = self.rung = 0

    def __call__(
        self, step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
    ) -> None:
        if time.monotonic() > self.deadline:
            raise _OutOfTimeError(step)
        watched = [(name, value) for name, value in (metrics or {}).items() if name.startswith("validation_")]
        if done is None or not total or not watched:
            return
        name, value = watched[-1]
        loss = -value if name.removeprefix("validation_").startswith(HIGHER_IS_BETTER) else value
        self.climb((self.fold + done / total) / self.folds, loss)

    def climb(self, share: float, loss: float) -> None:
        """Record the loss after a share of the work; prune the trial if others did better."""
        rung = math.ceil(RUNGS * share - 1e-9)
        if self.trial is None or rung <= self.rung or rung >= RUNGS or not math.isfinite(loss):
            return
        self.rung = rung
        self.trial.report(self.sign * loss, rung)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def _share(spec: TrainingSpec, part: tuple[Any, Any], share: float) -> tuple[Any, Any]:
    """Return that share of the rows, of each class alike."""
    rows, target = part
    order = np.random.default_rng(spec.seed).permutation(len(target))
    if spec.task == "regression":
        chosen = order[: math.ceil(share * len(order))]
    else:
        own = [order[target[order] == label] for label in np.unique(target)]
        chosen = np.concatenate([some[: math.ceil(share * len(some))] for some in own])
    return rows[np.sort(chosen)], target[np.sort(chosen)]


def _suggest(trial: Trial, name: str, searched: Any) -> Any:
    if not isinstance(searched, Range):
        return trial.suggest_categorical(name, searched.choices)
    suggest: Any = trial.suggest_int if searched.is_integer else trial.suggest_float
    stepped = {} if searched.step is None else {"step": searched.step}
    return suggest(name, searched.low, searched.high, log=searched.log, **stepped)


def _sampler(method: Method, seed: int, number: int) -> Any:
    """Return the sampler of one trial, seeded so that a resumed search draws what it would have drawn."""
    seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=seed) if method == "bayesian" else optuna.samplers.RandomSampler(seed=seed)


def _pruner(method: Method) -> Any:
    if method == "successive_halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=_REDUCTION, reduction_factor=_REDUCTION)
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)


def _figures(study: optuna.Study, search: Search) -> dict[str, float]:
    found, given = best(study, search), baseline_score(study)
    figures = {f"best_{search.metric}": found.value} if found is not None else {}
    if given is not None:
        figures[f"{search.metric}_baseline"] = given
    return {**figures, "trials_pruned": _count(study, TrialState.PRUNED)}


def _count(study: optuna.Study, state: TrialState) -> int:
    return sum(trial.state == state for trial in ended(study))


def _repair_journal(path: Path) -> None:
    """Remove what a killed process left: an incomplete line, and its lock, for which Optuna would wait."""
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if not path.is_file():
        return
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        with path.open("rb+") as file:
            file.truncate(content.rfind(b"\n") + 1)


def _close_running_trials(study: optuna.Study) -> None:
    """Close the trials that a killed process left running."""
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)


def _interrupted(done: int, trials: int) -> Interrupted:
    return Interrupted(
        "tuning_interrupted",
        rule="The search was interrupted (SIGTERM or SIGINT).",
        found=f"it ended after {done} of {trials} trials.",
        next_step="Start it again with the same destination: it resumes.",
    )
