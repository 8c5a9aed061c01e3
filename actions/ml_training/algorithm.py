"""What an algorithm declares about its training. One value of ``Algorithm`` is all that it takes to add one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actions.contracts.algorithm import AlgorithmFacts
from actions.contracts.scalar import Scalar

if TYPE_CHECKING:
    from actions.ml_training.progress import TrainingProgress
    from actions.ml_training.rules import Rule
    from actions.ml_training.search_space import SearchSpace

Hyperparameters = Mapping[str, Scalar]
Parts = Mapping[str, tuple[Any, Any]]
"""Features and target of the training rows (``train``) and of the validation rows, if there are any (``validation``)."""

ALL_CORES = -1
MIN_VALUES_FOR_THREADS = 500_000
"""With fewer values in the table, starting threads costs more than it saves; the same is true of a GPU."""


def fit_in_one_call(estimator: Any, parts: Parts, progress: TrainingProgress) -> None:  # noqa: ARG001  # nothing to report
    """Fit an estimator whose library neither reports progress nor can be interrupted."""
    estimator.fit(*parts["train"])


def constructor_parameters(estimator: Any) -> set[str]:
    """Return the hyperparameters that an estimator's constructor takes."""
    return set(estimator.get_params())


def _stays_on_cpu(estimator: Any) -> None:
    """Do nothing: the library trains on the CPU only."""


@dataclass(frozen=True, kw_only=True)
class Algorithm(AlgorithmFacts):
    """An algorithm that can be trained.

    Parameters
    ----------
    build
        Makes an unfitted estimator from the task, the hyperparameters, the seed and the number of cores (-1: all).
    search_space
        What a search varies unless the caller names a space.
    fit
        Fits the estimator on the training rows; the validation rows may only be watched.
    hyperparameter_names
        Returns the names that an estimator of ``build`` takes.
    reserved
        Hyperparameters that Modelyard sets itself, with the reason, beside those reserved for every algorithm.
    aliases
        Other names that people know a hyperparameter by.
    choices
        The values that a hyperparameter may have, where the library itself accepts more.
    rules
        Combinations that make no sense.
    rounds
        The hyperparameter that sets how many rounds (trees, epochs) a training takes.
    early_stopping
        The hyperparameter that ends a training by its loss on the validation rows.
    left_out_of_rehearsal
        Hyperparameters that may be valid on all rows and not on the few of a rehearsal.
    reports_losses
        Whether ``fit`` reports losses while it runs: a search then prunes trials by them.
    can_be_interrupted
        Whether ``fit`` checks for an interruption while it runs.
    keeps_checkpoints
        Whether an interrupted training can resume and end in exactly the same model.
    checkpoint_note
        When it keeps no checkpoint although it usually does, or why it never does; for documentation.
    memory_advice
        What to change when memory runs out.
    answers_depend_on_threads
        Whether predictions differ in their last digits with the number of threads.
    move_to_cpu
        Makes a fitted estimator predict on the CPU.
    """

    build: Callable[[str, Hyperparameters, int, int], Any]
    search_space: SearchSpace
    fit: Callable[[Any, Parts, TrainingProgress], None] = fit_in_one_call
    hyperparameter_names: Callable[[Any], set[str]] = constructor_parameters
    reserved: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    rounds: str | None = None
    early_stopping: str | None = None
    left_out_of_rehearsal: tuple[str, ...] = ()
    reports_losses: bool = False
    can_be_interrupted: bool = False
    keeps_checkpoints: bool = False
    checkpoint_note: str = ""
    memory_advice: str = "Use fewer columns"
    answers_depend_on_threads: bool = True
    move_to_cpu: Callable[[Any], None] = _stays_on_cpu
