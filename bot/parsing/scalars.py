"""What people type, read as typed values: numbers, true or false, null and text, bare or quoted (pure).

This is YAML without its surprises: ``yes`` is text, ``1_000`` and ``010`` are no other numbers than they seem.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from actions.contracts.scalar import Scalar

STORABLE_RULE = "Text must not contain a null character or half of a surrogate pair."
NAME_RULE = "The name of a hyperparameter must consist of letters, digits and `_`, and must not start with a digit."
QUOTED = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^']|'')*+')"""
"""A quoted text, for regular expressions."""
Argument = Scalar | list[Any] | dict[str, Any]
"""The value of an operation's argument: a scalar, or a list or mapping written as JSON."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_LONG_INTEGER = re.compile(r"[+-]?[0-9]{19,}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")
_NOT_FINITE = re.compile(r"[+-]?\.?(?:nan|inf|infinity)", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "none": None, "~": None}
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9.]*[,\u066b\uff0c][0-9.,]+(?:[eE][+-]?[0-9]+)?")
_QUOTES = ('"', "'")
_CURLY_QUOTES = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb"
_BRACKETS = ("[", "{")
_QUOTED = re.compile(QUOTED, re.DOTALL)
_VALUE = re.compile(rf"{QUOTED}?+\S*+", re.DOTALL)
_SPECIAL = "[{(|>&*!%@`"


def is_name(text: str) -> bool:
    """Return whether a hyperparameter can have this name."""
    return _NAME.fullmatch(text) is not None


def is_storable(value: object) -> bool:
    """Return whether files and databases accept every text in a value: no null character, no half surrogate pair."""
    if isinstance(value, str):
        return "\x00" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return all(map(is_storable, parts))


def brief(text: str, limit: int = 200) -> str:
    """Return the start of a text, short enough to be shown."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


# --- reading -------------------------------------------------------------------------------------------------------------


def parse_scalar(text: str) -> Scalar:
    """Read one value: true or false, null, a number or text, quoted or bare.

    Raises
    ------
    ValueError
        With the rule that it breaks.
    """
    text = text.strip()
    if text.startswith(_QUOTES):
        return read_quoted(text)
    text = without_comment(text)
    if not text:
        raise ValueError("A value must follow the name; write null for nothing.")
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _LONG_INTEGER.fullmatch(text):
        raise ValueError("A whole number must have at most 18 digits.")
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("A number must be finite.")
    if _FLOAT.fullmatch(text):
        return _finite(text)
    return _bare_text(text)


def _bare_text(text: str) -> str:
    """Return text without quotes, unless something else was meant; ValueError has the rule that it breaks."""
    if _DECIMAL_COMMA.fullmatch(text):
        raise ValueError("A number must be written with a decimal point and without separators, such as 0.1 or 1000.")
    if text[0] in _CURLY_QUOTES or text[-1] in _CURLY_QUOTES:
        raise ValueError("Quotes must be straight: \" or '.")
    if text[0] in _SPECIAL:
        raise ValueError(
            "A value must be true, false, null, a number or text; text with special characters must be quoted."
        )
    return text


def read_quoted(text: str) -> str:
    """Read quoted text, which only a comment may follow; ValueError has the rule that it breaks."""
    match = _QUOTED.match(text)
    if match is None or without_comment(text[match.end() :].strip()):
        raise ValueError(f"Text that starts with {text[0]} must end with {text[0]}, and nothing may follow.")
    if text[0] == "'":
        return match[0][1:-1].replace("''", "'")
    try:
        value: str = json.loads(match[0], strict=False)
    except ValueError:
        raise ValueError(r"A backslash in double quotes must start an escape, as in JSON; write \\ for one.") from None
    if not is_storable(value):
        raise ValueError(STORABLE_RULE)
    return value


def without_comment(text: str) -> str:
    """Return the text before a comment."""
    if text.startswith("#"):
        return ""
    return text.partition(" #")[0].partition("\t#")[0].rstrip()


def parse_json(text: str) -> Any:
    """Read JSON with unique names, finite numbers and storable text; ValueError says what is wrong with it."""
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite, parse_int=read_integer
        )
        if not is_storable(value):
            raise ValueError(STORABLE_RULE)
    except RecursionError:
        raise ValueError("It must not be nested so deeply.") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"Each name must be unique; {brief(name)} appears twice.")
        values[name] = value
    return values


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("A number must be finite.")
    return number


def read_number(text: str) -> float:
    """Read a decimal number; ValueError has the rule that it breaks."""
    if _FLOAT.fullmatch(text):
        return _finite(text)
    raise ValueError("It must be a number, written with a decimal point, such as 0.95.")


def read_integer(text: str) -> int:
    """Read a whole number; ValueError has the rule that it breaks."""
    if _INTEGER.fullmatch(text):
        return int(text)
    raise ValueError("It must be a whole number of at most 18 digits.")


# --- arguments on a command's line -------------------------------------------------------------------------------------


def parse_argument(text: str) -> Argument:
    """Read one argument of an operation: as ``parse_scalar``, or as JSON if it starts like a list or a mapping.

    Examples
    --------
    >>> parse_argument('["age", "city"]'), parse_argument('{"n_estimators": 50}'), parse_argument("0.5")
    (['age', 'city'], {'n_estimators': 50}, 0.5)

    Raises
    ------
    ValueError
        With the rule that it breaks.
    """
    if not text.startswith(_BRACKETS):
        return parse_scalar(text)
    try:
        value: list[Any] | dict[str, Any] = parse_json(text)
    except ValueError:
        raise ValueError('A list or a mapping must be written as JSON: ["a", "b"], {"depth": 3}.') from None
    return value


def end_of_argument(text: str, start: int) -> int:
    """Return where the argument ends that starts there: as ``end_of_value``, or after its JSON."""
    if not text.startswith(_BRACKETS, start):
        return end_of_value(text, start)
    try:
        return json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return len(text)


def end_of_value(text: str, start: int) -> int:
    """Return where the value ends that starts there: at the first blank outside quotes.

    Quotes that are never closed take the rest of the text.
    """
    if text.startswith(_QUOTES, start) and not _QUOTED.match(text, start):
        return len(text)
    value = _VALUE.match(text, start)
    return value.end() if value else start


# --- writing -------------------------------------------------------------------------------------------------------------


def format_scalar(value: Scalar) -> str:
    """Write a value so that ``parse_scalar`` reads the same."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return value if _is_bare(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def format_argument(value: Argument) -> str:
    """Write a value so that ``parse_argument`` reads the same, as one word of a command's line.

    Examples
    --------
    >>> print(format_argument(["age", "city"]), format_argument("two words"), format_argument(0.5))
    ["age", "city"] "two words" 0.5
    """
    if isinstance(value, list | dict) or (isinstance(value, str) and re.search(r"\s", value)):
        return json.dumps(value, ensure_ascii=False)
    return format_scalar(value)


def _is_bare(text: str) -> bool:
    """Return whether a text is read as itself without quotes."""
    if text != text.strip() or "\n" in text or "\r" in text or text.startswith(_QUOTES):
        return False
    try:
        return parse_scalar(text) == text
    except ValueError:
        return False
