"""Numbers in URLs: ids, issue numbers, pages."""

from __future__ import annotations

MAX_DIGITS = 18
"""Number of digits that always fit SQLite's integers."""


def read_number(text: str) -> int | None:
    """Return a number written in plain digits; None if it is not one, or too long to exist here.

    Examples
    --------
    >>> read_number("42"), read_number("4x"), read_number("9" * 5000)
    (42, None, None)
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None
