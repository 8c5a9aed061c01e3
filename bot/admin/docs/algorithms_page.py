"""The page about the algorithms, and the list of what runners install for them, made from their descriptors (pure)."""

from __future__ import annotations

from actions.ml_training.algorithm import Algorithm
from actions.ml_training.registry import every_algorithm
from actions.ml_training.search_space import Choices, Range
from actions.text.markdown import code, table
from bot.parsing.scalars import format_scalar

PATH = "docs/algorithms.md"
LAYERS_PATH = "actions/setup/layers.txt"
_INTRODUCTION = """\
# Algorithms

Written by `make generate` from the files in `actions/ml_training/algorithms`: change those, not this page.

Hyperparameters have the names that the library gives them. A search varies the listed ones unless it is given a space of its
own. With `class_weight: balanced`, every classifier gives rare classes as much weight as frequent ones.
"""


def algorithms_page() -> str:
    """Return the page as Markdown."""
    return "\n".join([_INTRODUCTION, *(_section(algorithm) for algorithm in every_algorithm())])


def layers() -> str:
    """Return which lock file below ``requirements/`` which algorithm needs, one per line; set-up reads it by shell."""
    return "".join(
        f"{algorithm.name} {algorithm.layer}\n" for algorithm in every_algorithm() if algorithm.layer is not None
    )


def _section(algorithm: Algorithm) -> str:
    rows = [
        ("Tasks", ", ".join(algorithm.tasks)),
        ("Library", algorithm.library + (" (installed when first needed)" if algorithm.layer else "")),
        ("Rounds", code(algorithm.rounds) if algorithm.rounds else "none: one call of the library"),
        ("Early stopping", code(algorithm.early_stopping) if algorithm.early_stopping else "no"),
        ("After an interruption", _after_interruption(algorithm)),
        ("Set by Modelyard", ", ".join(map(code, algorithm.reserved)) or "nothing specific to it"),
        ("Change after a rejection, for example", code(algorithm.example_override)),
    ]
    space = [(code(name), _values(searched)) for name, searched in algorithm.search_space.items()]
    return "\n".join(
        [
            f"## {algorithm.title}: {code(algorithm.name)}",
            "",
            table(("", ""), rows),
            "",
            table(("Searched", "Values"), space),
            "",
        ]
    )


def _after_interruption(algorithm: Algorithm) -> str:
    beginning = (
        "resumes from a checkpoint and ends in the same model" if algorithm.keeps_checkpoints else "starts again"
    )
    return f"{beginning}. {algorithm.checkpoint_note}".strip() if algorithm.checkpoint_note else f"{beginning}."


def _values(searched: Range | Choices) -> str:
    if isinstance(searched, Choices):
        return ", ".join(code(format_scalar(value)) for value in searched.choices)
    scale = ", by order of magnitude" if searched.log else f", step {searched.step}" if searched.step else ""
    return f"{searched.low:g} to {searched.high:g}{scale}"
