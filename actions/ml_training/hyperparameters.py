"""Hyperparameters are checked before anything is written: their names, and their values by the library itself."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Mapping
from typing import Any

from actions.contracts.request import Scalar
from actions.errors import InvalidInput
from actions.ml_training.algorithms.registry import new_estimator, parameters_of
from actions.ml_training.algorithms.rules import check_contradictions
from actions.ml_training.errors import is_out_of_memory, out_of_memory

RESERVED = {
    "callbacks": "callbacks report the progress",
    "enable_categorical": "categories are one-hot encoded",
    "missing": "missing values are filled in",
    "n_jobs": "as many cores are used as pay",
    "random_state": "the field Seed gives it",
    "verbose": "the log stays readable",
    "verbosity": "the log stays readable",
    "warm_start": "each training starts afresh",
}
_OTHER_NAMES = {
    "eta": "learning_rate",
    "lambda": "reg_lambda",
    "alpha": "reg_alpha",
    "num_round": "n_estimators",
    "num_boost_round": "n_estimators",
    "min_split_loss": "gamma",
    "lr": "learning_rate",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "max_iter": "epochs",
    "hidden_layer_sizes": "hidden_units",
    "n_iter_no_change": "patience",
    "early_stopping_rounds": "patience",
}
_BY_VALIDATION = ("early_stopping_rounds", "patience")
"""What watches validation rows, of which a rehearsal has none."""
_ROWS_A_CLASS = 5


def check_hyperparameters(task: str, algorithm: str, given: Mapping[str, Scalar]) -> None:
    """Check names, and the values as far as they can be without data.

    Raises
    ------
    InvalidInput
        ``unknown_hyperparameter``, ``reserved_hyperparameter``, ``hyperparameter_refused`` or
        ``contradictory_hyperparameters``.
    """
    known = sorted(parameters_of(new_estimator(task, algorithm, {}, 0)) - set(RESERVED))
    for name in given:
        if name in RESERVED:
            raise InvalidInput(
                "reserved_hyperparameter",
                rule=f"{name} is not set by hand: {RESERVED[name]}.",
                found=f"{name}: {given[name]!r}.",
                next_step="Remove it.",
                field="hyperparameters",
            )
        if name not in known:
            raise _unknown(name, algorithm, known)
    rounds = given.get("n_estimators", 1)
    if given.get("class_weight") not in (None, "balanced") and algorithm == "xgboost":
        raise _refused(algorithm, given, "class_weight is balanced, or is left out", "class_weight")
    if "n_estimators" in given and (not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1):
        raise _refused(algorithm, given, f"n_estimators is a whole number from 1, got {rounds!r}", "n_estimators")
    estimator = new_estimator(task, algorithm, dict(given), 0)
    if hasattr(estimator, "_parameter_constraints"):  # XGBoost has the method, and nothing for it to check
        try:
            estimator._validate_params()  # noqa: SLF001  # scikit-learn's own check, which fit runs too late
        except ValueError as error:
            raise _refused(algorithm, given, str(error)) from None
    check_contradictions(algorithm, given)


def rehearse(task: str, algorithm: str, given: Mapping[str, Scalar], rows: Any, target: Any) -> None:
    """Fit on a few rows, so that the library refuses now what it would refuse after everything is written.

    Parameters
    ----------
    rows, target : arrays
        Preprocessed training rows.
    """
    import numpy as np

    chosen = _few_of_each(target) if task == "classification" else np.arange(min(len(target), 50))
    # max_samples may be fine for all rows and too many for these few.
    small = {name: value for name, value in given.items() if name != "max_samples"}
    for rounds in {"n_estimators", "epochs"} & set(small):
        small[rounds] = 2
    small = {name: value for name, value in small.items() if name not in _BY_VALIDATION}
    estimator = new_estimator(task, algorithm, small, 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _fit_briefly(estimator, rows[chosen], target[chosen])
            if task == "classification":
                _check_probabilities(estimator, rows[chosen], len(np.unique(target[chosen])))
            else:
                estimator.predict(rows[chosen])
    except (MemoryError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise out_of_memory(algorithm, rows[chosen].shape, error) from None
        if isinstance(error, RuntimeError):
            raise
        raise _refused(algorithm, given, str(error)) from None


def _fit_briefly(estimator: Any, rows: Any, target: Any) -> None:
    """Fit; what boosts watches the same rows, so that the library looks at ``eval_metric``, too."""
    if not hasattr(estimator, "evals_result"):
        estimator.fit(rows, target)
        return
    quiet = {"verbose": False} if hasattr(estimator, "get_booster") else {}
    estimator.fit(rows, target, eval_set=[(rows, target)], **quiet)


def _few_of_each(target: Any) -> Any:
    import numpy as np

    return np.sort(np.concatenate([np.flatnonzero(target == label)[:_ROWS_A_CLASS] for label in np.unique(target)]))


def _check_probabilities(estimator: Any, rows: Any, classes: int) -> None:
    import numpy as np

    found = np.asarray(estimator.predict_proba(rows))
    if found.shape != (len(rows), classes) or not np.isfinite(found).all():
        raise ValueError("with these the model gives no probability for each class")


def _unknown(name: str, algorithm: str, known: list[str]) -> InvalidInput:
    near = [_OTHER_NAMES[name]] if _OTHER_NAMES.get(name) in known else difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    return InvalidInput(
        "unknown_hyperparameter",
        rule=f"{algorithm} knows the hyperparameters that the library names.",
        found=f"{name}.",
        next_step=f"{hint}Known: {', '.join(known)}.",
        field="hyperparameters",
    )


def _refused(algorithm: str, given: Mapping[str, Scalar], message: str, name: str | None = None) -> InvalidInput:
    first_line = re.sub(
        r"^\[[\d:]+\] \S+: ", "", message.strip().splitlines()[0] if message.strip() else "it gave no reason"
    )
    named = name or next((known for known in given if re.search(rf"\b{re.escape(known)}\b", message)), None)
    values = {named: given[named]} if named else dict(given)
    listed = ", ".join(f"{key}: {value!r}" for key, value in values.items())
    return InvalidInput(
        "hyperparameter_refused",
        rule=f"{algorithm} refuses this: {first_line}.",
        found=f"{listed}." if listed else "the library's defaults.",
        next_step="Correct the value, or leave it out to use the library's default.",
        field="hyperparameters",
    )
