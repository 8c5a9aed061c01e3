"""Numbers in addresses: ids, issue numbers, pages."""

from __future__ import annotations

MOST_DIGITS = 18
"""What SQLite's integers hold whatever the digits are."""


def read_number(text: str) -> int | None:
    """Return a number that is written in plain digits, or None: it is none, or too long to be anything here.

    Examples
    --------
    >>> read_number("42"), read_number("4x"), read_number("9" * 5000)
    (42, None, None)
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None
