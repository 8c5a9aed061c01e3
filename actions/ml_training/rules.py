"""Combinations of hyperparameters that libraries accept although one of the two then has no effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from actions.contracts.scalar import Scalar

Given = Mapping[str, Scalar]


@dataclass(frozen=True)
class Rule:
    """A combination of hyperparameters that is refused.

    Parameters
    ----------
    names
        The hyperparameters that contradict each other.
    is_broken
        Whether the given hyperparameters break the rule.
    text
        The rule, as the error states it.
    next_step
        What to do about it.
    """

    names: tuple[str, ...]
    is_broken: Callable[[Given], bool]
    text: str
    next_step: str = "Remove one of the two."


def is_set(given: Given, name: str, *neutral: Any) -> bool:
    """Tell whether a hyperparameter has a value other than None and the neutral ones, which change nothing."""
    return given.get(name) not in (None, *neutral)


def stops_before_the_last_round(patience: str, rounds: str, default_rounds: int) -> Rule:
    """Return the rule that early stopping must be able to stop something.

    Examples
    --------
    >>> rule = stops_before_the_last_round("early_stopping_rounds", "n_estimators", 100)
    >>> rule.is_broken({"early_stopping_rounds": 200}), rule.is_broken({"early_stopping_rounds": 10})
    (True, False)
    """

    def is_broken(given: Given) -> bool:
        waits, total = given.get(patience), given.get(rounds, default_rounds)
        return isinstance(waits, int) and isinstance(total, int) and waits >= total

    return Rule(
        (patience, rounds),
        is_broken,
        f"{patience} must be smaller than {rounds} (default: {default_rounds}); otherwise it never stops a training.",
        f"Lower {patience} or raise {rounds}.",
    )
