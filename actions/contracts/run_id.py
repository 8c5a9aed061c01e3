"""A run's id, such as ``train-20261122-001``: the kind of work, the day it was asked for, and the run's number.

The number is counted per repository and never reset; the day is there for people.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import StringConstraints

Kind = Literal["train"]

RUN_ID = rf"(?:{'|'.join(get_args(Kind))})-[0-9]{{8}}-[0-9]{{3,9}}"
"""A regular expression without groups, to be embedded in others."""

RunId = Annotated[str, StringConstraints(pattern=f"^{RUN_ID}$")]


def make_run_id(kind: Kind, day: date, number: int) -> str:
    """Return the id of a run.

    >>> make_run_id("train", date(2026, 11, 22), 7)
    'train-20261122-007'
    """
    return f"{kind}-{day:%Y%m%d}-{number:03}"


def day_of(run: str) -> str:
    """Return the day in a run's id, as ``YYYYMMDD``."""
    return run.split("-")[1]


def number_of(run: str) -> int:
    """Return the number in a run's id."""
    return int(run.rpartition("-")[2])
