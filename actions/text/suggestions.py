"""Suggestions for names that are not known: "Did you mean ...?"."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

MAX_LENGTH = 100
"""Longer names are compared by their beginning: the comparison takes quadratic time."""


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that is most similar to ``name``, ignoring case, or None if none is similar.

    Parameters
    ----------
    name
        The unknown name.
    known
        The names to choose from.
    cutoff
        The least similarity, from 0 (anything) to 1 (equal), as ``difflib.get_close_matches`` has it.

    Examples
    --------
    >>> nearest("Accuraccy", ["accuracy", "recall"]), nearest("x", ["accuracy"])
    ('accuracy', None)
    """
    by_lower = {other.lower(): other for other in known}
    matches = difflib.get_close_matches(name[:MAX_LENGTH].strip().lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else None


def did_you_mean(name: str, known: Collection[str], prefix: str = "", otherwise: str = "") -> str:
    """Return the next step for an unknown name: the nearest known one, or else ``otherwise`` if given, or all of them.

    Examples
    --------
    >>> did_you_mean("storage-rot", ["json", "storage_root"], prefix="--")
    'Did you mean --storage_root?'
    >>> did_you_mean("x", ["name", "alias"])
    'Known: alias, name.'
    """
    match = nearest(name, known)
    if match:
        return f"Did you mean {prefix}{match}?"
    return otherwise or f"Known: {', '.join(prefix + other for other in sorted(known))}."


def nearest_first(name: str, known: Iterable[str], limit: int = 10) -> str:
    """Return known names separated by commas, those most similar to ``name`` first, and how many were left out.

    Examples
    --------
    >>> nearest_first("sepal", ["petal length", "sepal length", "species"], limit=2)
    'sepal length, petal length and 1 more'
    """
    similarity = {other: difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio() for other in known}
    ordered = sorted(similarity, key=lambda other: -similarity[other])
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return ", ".join(ordered[:limit]) + more
