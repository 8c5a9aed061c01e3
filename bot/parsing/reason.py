"""The words after a command that are its reason: nothing in them may look like an argument that was not understood (pure).

A command that took such a word as part of its reason would act on something other than what the person named.
"""

from __future__ import annotations

import re
from typing import Literal

from actions.contracts.run_id import RUN_ID

Takes = Literal["nothing", "version", "settings"]
"""What could have come before the reason and has not been read."""

_NUMBER = re.compile(r"\W*[vV]?\d+(?:[.,:/]\d+)*\W*")
_ARGUMENT = re.compile(
    rf"\W*{RUN_ID}\W*|[-\u2013\u2014]+[^\W\d].*|\W*+\w[\w.-]*+[^\w=\uff1d]*+[=\uff1d].*|.*\w@\w.*|\w+[~^]\d*|[^\W\d]\w*:\w*\d.*"
)
_SETTING = re.compile(r"\W*[^\W_]+_\w+\W*")
_ONE_NAME = re.compile(r"[!-~]+")
_TARGETS = frozenset({"to", "v", "version", "champion", "candidate", "previous", "latest", "head"})


def misplaced_argument(reason: str, takes: Takes) -> str | None:
    """Return the part of a reason that looks like an argument, or None.

    Parameters
    ----------
    reason
        The words after everything that was read.
    takes
        What the person may have meant: a version (then the reason must have no digit, and must not be one word that could
        be a name), settings (then it must have no number and no name like ``max_depth``), or nothing.

    Examples
    --------
    >>> misplaced_argument("to 1", "version"), misplaced_argument("max_depth 3", "settings")
    ('to 1', 'max_depth 3')
    >>> misplaced_argument("better on last week's data", "version") is None
    True
    """
    words = reason.split()
    if not words:
        return None
    first, *others = words
    if _is_argument(first) or (len(others) == 1 and _is_argument(others[0])):
        return reason
    is_target = first.strip(":.,").lower() in _TARGETS
    if takes == "nothing":
        return first if is_target and not others else None
    if takes == "settings":
        return next((word for word in words if _is_argument(word) or _SETTING.fullmatch(word)), None)
    is_one_name = not others and _ONE_NAME.fullmatch(first) is not None
    return reason if is_target or is_one_name or any(map(str.isdigit, reason)) else None


def _is_argument(word: str) -> bool:
    return _NUMBER.fullmatch(word) is not None or _ARGUMENT.fullmatch(word) is not None
