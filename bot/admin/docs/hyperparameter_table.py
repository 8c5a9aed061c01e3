"""The table of settings that the App checks commands with, made from the estimators themselves."""

from __future__ import annotations

import inspect
import json
from typing import Any

from actions.contracts.hyperparameters import ValueKind
from actions.ml_training.algorithm import Algorithm
from actions.ml_training.hyperparameters import RESERVED
from actions.ml_training.registry import every_algorithm


def hyperparameter_table() -> str:
    """Return the table as JSON: algorithm, task, name, and whether text is accepted."""
    table = {
        algorithm.name: {task: _settings(algorithm, task) for task in algorithm.tasks}
        for algorithm in every_algorithm()
    }
    return json.dumps(table, indent=1, sort_keys=True) + "\n"


def _settings(algorithm: Algorithm, task: str) -> dict[str, ValueKind]:
    estimator = algorithm.build(task, {}, 0, 1)
    names = algorithm.hyperparameter_names(estimator) - {*RESERVED, *algorithm.reserved}
    declares = hasattr(estimator, "_parameter_constraints") or not hasattr(estimator, "estimator")
    inner = type(estimator if declares else estimator.estimator)  # XGBoost's classifier is wrapped
    return {name: _kind(inner, name) for name in names}


def _kind(estimator: type[Any], name: str) -> ValueKind:
    """Return ``number`` only if the library declares what it accepts, and text is not among it."""
    constraints = getattr(estimator, "_parameter_constraints", {}).get(name)
    if constraints is not None:
        return "any" if any(type(each).__name__ in ("Options", "StrOptions") for each in constraints) else "number"
    declared = {
        known: parameter.annotation
        for parent in reversed(estimator.__mro__)
        for known, parameter in inspect.signature(parent).parameters.items()
    }
    annotation = str(declared.get(name, "str"))
    is_number = any(word in annotation for word in ("int", "float", "bool")) and "str" not in annotation
    return "number" if is_number and "Any" not in annotation else "any"
