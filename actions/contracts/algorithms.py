"""The registry of algorithms: one descriptor per file in ``actions/ml_training/algorithms``, found by its folder.

The files are imported by name because they belong to a higher room: this one knows what an algorithm declares, not how it is
trained. Importing them is cheap, since each library is imported by the functions that use it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from actions.contracts.algorithm import AlgorithmFacts

_PACKAGE = "actions.ml_training.algorithms"


@cache
def algorithms() -> Mapping[str, AlgorithmFacts]:
    """Return every algorithm by name; those for most tasks come first, then alphabetically.

    A form that is for every task so begins with algorithms that suit each of them.
    """
    folder = importlib.import_module(_PACKAGE).__path__
    modules = (importlib.import_module(f"{_PACKAGE}.{module.name}") for module in pkgutil.iter_modules(folder))
    ordered = sorted((module.ALGORITHM for module in modules), key=lambda facts: (-len(facts.tasks), facts.name))
    return MappingProxyType({facts.name: facts for facts in ordered})


def algorithm_names(task: str | None = None) -> tuple[str, ...]:
    """Return the names of the algorithms that can learn a task; without one, all names.

    Examples
    --------
    >>> "logistic_regression" in algorithm_names("regression")
    False
    """
    return tuple(name for name, facts in algorithms().items() if task is None or task in facts.tasks)


if TYPE_CHECKING:
    AlgorithmName = str
    Classifier = str
    Regressor = str
else:
    # Known only once the folder is read. Pydantic, the schemas and the forms still get the names as choices.
    AlgorithmName = Literal[algorithm_names()]
    Classifier = Literal[algorithm_names("classification")]
    Regressor = Literal[algorithm_names("regression")]
