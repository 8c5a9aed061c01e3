"""The settings that each algorithm takes, for those who cannot import its library: a table that ``make generate`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

PATH = "actions/contracts/hyperparameters.json"

ValueKind = Literal["number", "any"]
"""What a setting accepts: numbers, true, false and null; or text as well."""


def hyperparameters(algorithm: str, task: str) -> Mapping[str, ValueKind] | None:
    """Return the settings of an algorithm by name; None if the table does not have it.

    Examples
    --------
    >>> settings = hyperparameters("random_forest", "regression")
    >>> settings["max_depth"], settings["criterion"], "max_depht" in settings
    ('number', 'any', False)
    """
    return _table().get(algorithm, {}).get(task)


@cache
def _table() -> Mapping[str, Mapping[str, Mapping[str, ValueKind]]]:
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    table: Mapping[str, Mapping[str, Mapping[str, ValueKind]]] = json.loads(text)
    return table
