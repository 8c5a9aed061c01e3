"""What the rest of the codebase may know about an algorithm without being able to train it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Layout:
    """How an algorithm's library wants its features: each value's type, and rows (C) or columns (F) contiguous."""

    dtype: Literal["float32", "float64"] = "float64"
    order: Literal["C", "F"] = "C"


@dataclass(frozen=True, kw_only=True)
class AlgorithmFacts:
    """An algorithm as forms, storage, set-up and reports see it; training it is ``actions.ml_training.algorithm``.

    Parameters
    ----------
    name
        What requests call it; its file has the same name.
    title
        What people call it.
    tasks
        The tasks it can learn.
    library
        The library that implements it, as documentation names it.
    modules
        What it imports; stages import these before their work, so that imports are timed separately.
    packages
        The distributions whose versions decide what it learns.
    example_override
        One hyperparameter that is worth changing after a rejection, as ``/approve`` takes it.
    extra
        The extra of Modelyard that installs its library, where ``ml`` does not.
    layer
        The lock file below ``requirements/`` that runners install for it on top of ``runner.txt``.
    layout
        How its library wants the features.
    trusted_types
        The types that its model files may contain beside those that every model file may.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    library: str
    modules: tuple[str, ...]
    packages: tuple[str, ...]
    example_override: str
    extra: str = "ml"
    layer: str | None = None
    layout: Layout = Layout()
    trusted_types: tuple[str, ...] = ()
