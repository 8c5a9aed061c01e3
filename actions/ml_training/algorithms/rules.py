"""Hyperparameters that cannot be meant together: the libraries take them and let one of the two do nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from actions.contracts.request import Scalar
from actions.errors import InvalidInput

Given = Mapping[str, Any]


class _Rule(NamedTuple):
    """Two hyperparameters of an algorithm that contradict each other where ``broken`` says so."""

    algorithm: str
    names: tuple[str, str]
    broken: Callable[[Given], bool]
    rule: str
    next_step: str


_TREES = ("max_depth", "max_leaves", "min_child_weight", "subsample", "colsample_bytree", "gamma", "tree_method")


def _at_least(waits: str, rounds: str, usual: int) -> Callable[[Given], bool]:
    def broken(given: Given) -> bool:
        waited, there_are = given.get(waits), given.get(rounds, usual)
        return isinstance(waited, int) and isinstance(there_are, int) and waited >= there_are

    return broken


def _on_a_cpu(given: Given) -> bool:
    return given.get("precision") == "float16" and not _has_gpu(given)


def _cuda_without_gpu(given: Given) -> bool:
    return given.get("device") == "cuda" and not _has_gpu(given)


def _has_gpu(given: Given) -> bool:
    """Tell whether training runs on a GPU; asks PyTorch only where it hangs on that."""
    if given.get("device") == "cpu":
        return False
    import torch

    return bool(torch.cuda.is_available())


_RULES = (
    _Rule(
        "xgboost",
        ("class_weight", "scale_pos_weight"),
        lambda given: given.get("class_weight") is not None and given.get("scale_pos_weight") not in (None, 1),
        "class_weight and scale_pos_weight both weigh the classes: only one of them is set.",
        "Leave one of the two out.",
    ),
    _Rule(
        "xgboost",
        ("early_stopping_rounds", "n_estimators"),
        _at_least("early_stopping_rounds", "n_estimators", 100),
        "early_stopping_rounds is smaller than n_estimators (100 where it is not set), or it never stops anything.",
        "Lower early_stopping_rounds or raise n_estimators.",
    ),
    *(
        _Rule(
            "xgboost",
            ("booster", name),
            lambda given, name=name: given.get("booster") == "gblinear" and given.get(name) is not None,  # type: ignore[misc]
            f"booster: gblinear makes no trees, so {name} says nothing.",
            f"Leave {name} or booster out.",
        )
        for name in _TREES
    ),
    _Rule(
        "random_forest",
        ("bootstrap", "max_samples"),
        lambda given: given.get("bootstrap") is False and given.get("max_samples") is not None,
        "max_samples is how many rows are drawn for a tree; with bootstrap: false none are drawn.",
        "Leave one of the two out.",
    ),
    _Rule(
        "random_forest",
        ("bootstrap", "oob_score"),
        lambda given: given.get("bootstrap") is False and given.get("oob_score") not in (None, False),
        "oob_score is the score on rows that were not drawn; with bootstrap: false there are none.",
        "Leave one of the two out.",
    ),
    _Rule(
        "neural_network",
        ("patience", "epochs"),
        _at_least("patience", "epochs", 100),
        "patience is smaller than epochs (100 where it is not set), or it never stops anything.",
        "Lower patience, raise epochs, or write patience: null.",
    ),
    _Rule(
        "neural_network",
        ("hidden_layers", "hidden_units"),
        lambda given: given.get("hidden_layers") == 0 and given.get("hidden_units") is not None,
        "With hidden_layers: 0 there is no layer that could have hidden_units.",
        "Leave one of the two out.",
    ),
    _Rule(
        "neural_network",
        ("device", "device"),
        _cuda_without_gpu,
        "device: cuda needs a GPU that PyTorch can use.",
        "Leave device out, or choose a runner with a GPU.",
    ),
    _Rule(
        "neural_network",
        ("precision", "device"),
        _on_a_cpu,
        "precision: float16 is for training on a GPU.",
        "Leave precision out, or choose a runner with a GPU.",
    ),
)


def check_contradictions(algorithm: str, given: Mapping[str, Scalar]) -> None:
    """Refuse hyperparameters that contradict each other.

    Raises
    ------
    InvalidInput
        ``contradictory_hyperparameters``, naming both.

    Examples
    --------
    >>> check_contradictions("xgboost", {"class_weight": "balanced", "scale_pos_weight": 3.0})
    Traceback (most recent call last):
    ...
    actions.errors.InvalidInput: class_weight and scale_pos_weight both weigh the classes: only one of them is set. \
Found: class_weight: 'balanced', scale_pos_weight: 3.0. Next: Leave one of the two out. [contradictory_hyperparameters]
    """
    for one in _RULES:
        if one.algorithm == algorithm and one.broken(given):
            named = [name for name in dict.fromkeys(one.names) if name in given]
            raise InvalidInput(
                "contradictory_hyperparameters",
                rule=one.rule,
                found=", ".join(f"{name}: {given[name]!r}" for name in named) + ".",
                next_step=one.next_step,
                field="hyperparameters",
            )
