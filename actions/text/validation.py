"""Pydantic's findings as errors that people can act on."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from actions.errors import InvalidInput
from actions.text.suggestions import did_you_mean

MAX_FOUND = 200
_SHOULD = re.compile(r"^(?:Input|String|Value|List|Tuple|Set|Dictionary|Date|Datetime|Decimal)(?: \w+)? should\b")


def rule_of(name: str, message: str) -> str:
    """Return a message of Pydantic's as a rule about a named value.

    Examples
    --------
    >>> rule_of("seed", "Input should be a valid integer"), rule_of("seed", "Field required")
    ('seed must be a valid integer.', 'seed must be given.')
    >>> rule_of("end", "Value error, the end is before the start")
    'end: the end is before the start.'
    """
    if message == "Field required":
        return f"{name} must be given."
    text = message.removeprefix("Value error, ").removesuffix(".")
    return f"{_SHOULD.sub(f'{name} must', text)}." if _SHOULD.match(text) else f"{name}: {text}."


def invalid_argument(error: ValidationError, *, known: Collection[str]) -> InvalidInput:
    """Return the first finding of a validation as an error.

    Parameters
    ----------
    error
        What Pydantic found.
    known
        The names that are accepted, to suggest the nearest one for a misspelt name.

    Returns
    -------
    InvalidInput
        ``unknown_argument`` or ``invalid_argument``.
    """
    findings = error.errors(include_url=False, include_context=False)
    # A misspelt name is also missing under its right name. Naming the misspelling helps more.
    finding: Mapping[str, Any] = next((item for item in findings if item["type"] == "extra_forbidden"), findings[0])
    name = ".".join(str(part) for part in finding["loc"]) or "(arguments)"
    if finding["type"] == "extra_forbidden":
        return unknown_argument(name, did_you_mean(name, known))
    missing = finding["type"] == "missing"
    found = "nothing" if missing else repr(finding.get("input"))[:MAX_FOUND]
    return InvalidInput(
        "invalid_argument",
        rule=rule_of(name, finding["msg"]),
        found=f"{found}.",
        next_step=f"Add {name}." if missing else f"Correct the value of {name}.",
        field=name,
    )


def unknown_argument(name: str, next_step: str) -> InvalidInput:
    """Return the error for a name that no parameter has."""
    return InvalidInput(
        "unknown_argument",
        rule="Arguments must be parameters of the operation.",
        found=f"{name[:MAX_FOUND]}.",
        next_step=next_step,
        field=name,
    )
