"""Checks hyperparameters and search spaces before anything is written: names, combinations, and values by the library itself."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Mapping
from typing import Any

from actions.contracts.scalar import Scalar
from actions.errors import InvalidInput
from actions.ml_training.algorithm import Algorithm, Hyperparameters
from actions.ml_training.errors import is_out_of_memory, out_of_memory
from actions.ml_training.registry import algorithm_named
from actions.ml_training.search_space import SearchSpace, values_to_check

RESERVED = {
    "callbacks": "callbacks report the progress",
    "n_jobs": "the number of cores follows from the size of the data",
    "random_state": "the field Seed sets it",
    "verbose": "the log stays readable",
    "verbosity": "the log stays readable",
    "warm_start": "each training starts afresh",
}
"""Hyperparameters that Modelyard sets itself for every algorithm, with the reason."""
_ROWS_PER_CLASS = 5
_ROWS_OF_NUMBERS = 50


def check_hyperparameters(task: str, name: str, given: Mapping[str, Scalar]) -> None:
    """Check the names of an algorithm's hyperparameters, and their values as far as that is possible without data.

    Raises
    ------
    InvalidInput
        ``unknown_hyperparameter``, ``reserved_hyperparameter``, ``hyperparameter_refused`` or
        ``contradictory_hyperparameters``.
    """
    algorithm = algorithm_named(name)
    _check_names(algorithm, task, given)
    _check_choices(algorithm, given)
    estimator = algorithm.build(task, given, 0, 1)
    if hasattr(estimator, "_parameter_constraints"):  # XGBoost has the method, but no constraints to check
        try:
            estimator._validate_params()  # noqa: SLF001  # scikit-learn's own check, which fit would run too late
        except ValueError as error:
            raise _refused(algorithm, given, str(error)) from None
    check_combinations(algorithm, given)


def check_combinations(algorithm: Algorithm, given: Hyperparameters) -> None:
    """Refuse hyperparameters that contradict each other.

    Raises
    ------
    InvalidInput
        ``contradictory_hyperparameters``, naming them.

    Examples
    --------
    >>> check_combinations(algorithm_named("xgboost"), {"class_weight": "balanced", "scale_pos_weight": 3.0})
    Traceback (most recent call last):
    ...
    actions.errors.InvalidInput: class_weight and scale_pos_weight both weight the classes; only one of them may be set. \
Found: class_weight: 'balanced', scale_pos_weight: 3.0. Next: Remove one of the two. [contradictory_hyperparameters]
    """
    for rule in algorithm.rules:
        if rule.is_broken(given):
            raise InvalidInput(
                "contradictory_hyperparameters",
                rule=rule.text,
                found=", ".join(f"{name}: {given[name]!r}" for name in rule.names if name in given) + ".",
                next_step=rule.next_step,
                field="hyperparameters",
            )


def checked_search_space(task: str, name: str, space: SearchSpace | None, fixed: Hyperparameters) -> SearchSpace:
    """Return the search space, checked: the given one, else the algorithm's own without the fixed hyperparameters.

    Raises
    ------
    InvalidInput
        ``contradictory_hyperparameters`` if a hyperparameter is both fixed and searched; ``nothing_to_search``; and what
        ``check_hyperparameters`` raises, for the ends of each range and for each choice.
    """
    algorithm = algorithm_named(name)
    space = space or {name: searched for name, searched in algorithm.search_space.items() if name not in fixed}
    both = next((name for name in space if name in fixed), None)
    if both is not None:
        raise InvalidInput(
            "contradictory_hyperparameters",
            rule="A hyperparameter may be searched or fixed, but not both.",
            found=f"{both} is in space and in hyperparameters.",
            next_step="Remove it from one of the two.",
            field="space",
        )
    if not space:
        raise InvalidInput(
            "nothing_to_search",
            rule="A search must vary at least one hyperparameter.",
            found=f"all hyperparameters that are varied by default are fixed: {', '.join(algorithm.search_space)}.",
            next_step="Name others in space, or train without a search.",
            field="space",
        )
    for searched_name, searched in space.items():
        for value in values_to_check(searched):
            check_hyperparameters(task, name, {**fixed, searched_name: value})
    first_values = {name: values_to_check(searched)[0] for name, searched in space.items()}
    check_combinations(algorithm, {**fixed, **first_values})
    return space


def rehearse(task: str, name: str, given: Hyperparameters, rows: Any, target: Any) -> None:
    """Fit on a few rows, so that the library refuses now what it would otherwise refuse after data has been written.

    Parameters
    ----------
    rows, target : arrays
        Preprocessed training rows.

    Raises
    ------
    InvalidInput
        ``hyperparameter_refused``.
    Unavailable
        ``out_of_memory``.
    """
    import numpy as np

    from actions.ml_training.progress import TrainingProgress

    algorithm = algorithm_named(name)
    chosen = _few_per_class(target) if task == "classification" else np.arange(min(len(target), _ROWS_OF_NUMBERS))
    few_rows, few_targets = rows[chosen], target[chosen]
    estimator = algorithm.build(task, _for_rehearsal(algorithm, given), 0, 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            algorithm.fit(estimator, {"train": (few_rows, few_targets)}, TrainingProgress(lambda *_, **__: None))
            if task == "classification":
                _check_probabilities(estimator, few_rows, len(np.unique(few_targets)))
            else:
                estimator.predict(few_rows)
    except (MemoryError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise out_of_memory(algorithm, algorithm.memory_advice, few_rows.shape, error) from None
        if isinstance(error, RuntimeError):
            raise
        raise _refused(algorithm, given, str(error)) from None


def _for_rehearsal(algorithm: Algorithm, given: Hyperparameters) -> dict[str, Scalar]:
    left_out = (*algorithm.left_out_of_rehearsal, algorithm.early_stopping)  # a rehearsal has no validation rows
    short = {name: value for name, value in given.items() if name not in left_out}
    return short | ({algorithm.rounds: 2} if algorithm.rounds in short else {})


def _few_per_class(target: Any) -> Any:
    import numpy as np

    return np.sort(np.concatenate([np.flatnonzero(target == label)[:_ROWS_PER_CLASS] for label in np.unique(target)]))


def _check_probabilities(estimator: Any, rows: Any, classes: int) -> None:
    import numpy as np

    probabilities = np.asarray(estimator.predict_proba(rows))
    if probabilities.shape != (len(rows), classes) or not np.isfinite(probabilities).all():
        raise ValueError("with these the model gives no class probabilities")


def _check_names(algorithm: Algorithm, task: str, given: Hyperparameters) -> None:
    reserved = {**RESERVED, **algorithm.reserved}
    known = sorted(algorithm.hyperparameter_names(algorithm.build(task, {}, 0, 1)) - set(reserved))
    for name in given:
        if name in reserved:
            raise InvalidInput(
                "reserved_hyperparameter",
                rule=f"Modelyard sets {name} itself: {reserved[name]}.",
                found=f"{name}: {given[name]!r}.",
                next_step="Remove it.",
                field="hyperparameters",
            )
        if name not in known:
            raise _unknown(algorithm, name, known)


def _check_choices(algorithm: Algorithm, given: Hyperparameters) -> None:
    """Check the values that the library itself does not check, or checks too late."""
    for name, allowed in algorithm.choices.items():
        if name in given and given[name] not in allowed:
            listed = " or ".join(str(value) for value in allowed if value is not None)
            raise _refused(algorithm, given, f"{name} must be {listed}, or be left out", name)
    rounds = given.get(algorithm.rounds or "", 1)
    if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1:
        text = f"{algorithm.rounds} must be an integer of at least 1, got {rounds!r}"
        raise _refused(algorithm, given, text, algorithm.rounds)


def _unknown(algorithm: Algorithm, name: str, known: list[str]) -> InvalidInput:
    alias = algorithm.aliases.get(name)
    close = [alias] if alias in known else difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return InvalidInput(
        "unknown_hyperparameter",
        rule=f"Unknown hyperparameter for {algorithm.name}.",
        found=f"{name}.",
        next_step=f"{hint}Known: {', '.join(known)}.",
        field="hyperparameters",
    )


def _refused(algorithm: Algorithm, given: Hyperparameters, message: str, name: str | None = None) -> InvalidInput:
    lines = message.strip().splitlines() or ["the library gave no reason"]
    first_line = re.sub(r"^\[[\d:]+\] \S+: ", "", lines[0])
    named = name or next((known for known in given if re.search(rf"\b{re.escape(known)}\b", message)), None)
    values = {named: given[named]} if named else dict(given)
    listed = ", ".join(f"{key}: {value!r}" for key, value in values.items())
    return InvalidInput(
        "hyperparameter_refused",
        rule=f"{algorithm.title} does not accept this: {first_line}.",
        found=f"{listed}." if listed else "the library's defaults.",
        next_step="Correct the value, or remove it to use the library's default.",
        field="hyperparameters",
    )
