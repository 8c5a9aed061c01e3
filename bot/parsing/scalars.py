"""What people type, read as typed values: scalars, `name: value` lines, and what was wrong with them (pure)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

from actions.contracts.scalar import Scalar
from actions.errors import Problem, invalid_field

MOST_PROBLEMS = 10
"""Of one kind of trouble (bad lines, unknown headings) so many are listed; the rest is counted."""

_T = TypeVar("_T")
_MOST_LINES = 1_000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_LONG_INTEGER = re.compile(r"[+-]?[0-9]{19,}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")
_NOT_FINITE = re.compile(r"[+-]?\.?(?:nan|inf|infinity)", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "none": None, "~": None}
_COLLECTION = "[{(|>&*!%@`"
_JSON = ("[", "{")
_JSON_RULE = 'A list or a mapping is written as JSON: ["a", "b"], {"depth": 3}.'
STORABLE_RULE = "Text holds no null character and no half of a surrogate pair."
NAME_RULE = "A hyperparameter's name has letters, digits and `_`, and starts with no digit."


def is_name(text: str) -> bool:
    """Tell whether a hyperparameter can have this name."""
    return _NAME.fullmatch(text) is not None


def brief(text: str, limit: int = 200) -> str:
    """Return the start of what was found, short enough to be shown."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def parse_scalar(text: str) -> Scalar:
    """Read one value as YAML would, in linear time: true or false, null, a number, else text, in quotes or bare.

    Raises
    ------
    ValueError
        With the rule that it breaks.
    """
    text = text.strip()
    if text[:1] in {'"', "'"}:
        return read_quoted(text)
    text = without_comment(text)
    if not text:
        raise ValueError("A value has to follow the name; write null for nothing.")
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _LONG_INTEGER.fullmatch(text):
        raise ValueError("A whole number has at most 18 digits.")
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("A number has to be finite.")
    if _FLOAT.fullmatch(text):
        return _finite(float(text))
    if text[0] in _COLLECTION:
        raise ValueError("A value is true, false, null, a number or text; text with special characters goes in quotes.")
    return text


Argument = Scalar | list[Any] | dict[str, Any]
"""What an operation's argument can be: a scalar, or what JSON writes in brackets or braces."""


def parse_argument(text: str) -> Argument:
    """Read one argument of an operation: as ``parse_scalar``, or JSON where it begins as a list or a mapping.

    Examples
    --------
    >>> parse_argument('["age", "city"]'), parse_argument('{"n_estimators": 50}'), parse_argument("0.5")
    (['age', 'city'], {'n_estimators': 50}, 0.5)

    Raises
    ------
    ValueError
        With the rule that it breaks.
    """
    if text[:1] not in _JSON:
        return parse_scalar(text)
    try:
        found: list[Any] | dict[str, Any] = json.loads(text, parse_constant=_no_constant, parse_float=_json_number)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ValueError(_JSON_RULE) from None
    return found


def end_of_argument(text: str, start: int) -> int:
    """Return where the argument ends that starts there: as ``end_of_value``, or behind the JSON that it begins."""
    if text[start : start + 1] not in _JSON:
        return end_of_value(text, start)
    try:
        return json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return len(text)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _json_number(text: str) -> float:
    return _finite(float(text))


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("A number has to be finite.")
    return number


def without_comment(text: str) -> str:
    """Return what stands before a comment."""
    if text.startswith("#"):
        return ""
    return text.partition(" #")[0].partition("\t#")[0].rstrip()


def read_quoted(text: str) -> str:
    """Read text in quotes, which nothing but a comment may follow; ValueError says what is wrong."""
    mark = text[0]
    end = closing_quote(text)
    if end is None or without_comment(text[end + 1 :].strip()):
        raise ValueError(f"Text that opens with {mark} has to close with {mark}, and nothing may follow.")
    if mark == "'":
        return text[1:end].replace("''", "'")
    try:
        value: str = json.loads(text[: end + 1], strict=False)
    except ValueError:
        raise ValueError(r"Within double quotes a backslash starts an escape, as in JSON; write \\ for one.") from None
    if not is_storable(value):
        raise ValueError(STORABLE_RULE)
    return value


def is_storable(text: str) -> bool:
    """Tell whether files and databases take a text: no null character, no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def end_of_value(text: str, start: int) -> int:
    """Return where the value ends that starts there: behind its closing quote, or before the next blank.

    Quotes that never close take the rest of the text.
    """
    if text[start : start + 1] in {'"', "'"}:
        end = closing_quote(text, start)
        start = len(text) if end is None else end
    while start < len(text) and not text[start].isspace():
        start += 1
    return start


def closing_quote(text: str, start: int = 0) -> int | None:
    """Return where the quotation closes that opens at ``start``, or None."""
    mark = text[start]
    position = start + 1
    while position < len(text):
        if text[position] == "\\" and mark == '"':
            position += 2
        elif text[position] != mark:
            position += 1
        elif mark == "'" and text[position + 1 : position + 2] == "'":
            position += 2
        else:
            return position
    return None


def format_scalar(value: Scalar) -> str:
    """Write a value so that ``parse_scalar`` reads the same."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def format_argument(value: Argument) -> str:
    """Write a value so that ``parse_argument`` reads the same, in one piece on a command's line.

    Examples
    --------
    >>> print(format_argument(["age", "city"]), format_argument("two words"), format_argument(0.5))
    ["age", "city"] "two words" 0.5
    """
    if isinstance(value, list | dict) or (isinstance(value, str) and re.search(r"\s", value)):
        return json.dumps(value, ensure_ascii=False)
    return format_scalar(value)


def _is_plain(text: str) -> bool:
    """Tell whether a text stays the same without quotes."""
    if text != text.strip() or "\n" in text or "\r" in text:
        return False
    try:
        return parse_scalar(text) == text and text[:1] not in {'"', "'"}
    except ValueError:
        return False


def read_number(text: str) -> float:
    """Read a decimal number; ValueError says what is wrong."""
    if _FLOAT.fullmatch(text):
        return _finite(float(text))
    raise ValueError("A number, written with a point, such as 0.95.")


def read_integer(text: str) -> int:
    """Read a whole number; ValueError says what is wrong."""
    if _INTEGER.fullmatch(text):
        return int(text)
    raise ValueError("A whole number.")


# --- hyperparameters ---------------------------------------------------------------------------------------------------


def parse_hyperparameters(text: str) -> tuple[dict[str, Scalar], list[Problem]]:
    """Read one `name: value` a line, or one JSON object, perhaps within a code fence; blank lines and `#` lines are skipped.

    Returns
    -------
    tuple
        What could be read, and what is wrong.
    """
    lines, first = without_fence(text)
    content = "\n".join(lines).strip()
    if content.startswith("{"):
        pairs, problems = _json_pairs(content)
    else:
        pairs, problems = line_pairs(lines, first, parse_scalar, "hyperparameters")
    values: dict[str, Scalar] = {}
    for name, value, place in pairs:
        if not is_name(name):
            problems.append((NAME_RULE, f"{place}{name}", "Use the name that the library gives it."))
        elif name in values:
            problems.append(("Each name stands once.", f"{place}{name} a second time", "Remove one of the two."))
        else:
            values[name] = value
    return values, told("hyperparameters", problems)


Problems = list[tuple[str, str, str]]
"""Of each: the rule, what was found, what to do."""
_Pairs = list[tuple[str, Scalar, str]]


def told(field: str, problems: Problems) -> list[Problem]:
    """Return what is wrong with a field of several lines; of very many problems the rest is counted."""
    shown = problems[:MOST_PROBLEMS]
    wrong = [invalid_field(field, rule, brief(found), cure) for rule, found, cure in shown]
    if len(problems) > len(shown):
        more = f"{len(problems) - len(shown)} more lines like these"
        wrong.append(invalid_field(field, "Every line has to be right.", more, "Correct them as well."))
    return wrong


def without_fence(text: str) -> tuple[list[str], int]:
    """Return a text's lines without the code fence around them, and the first one's number."""
    lines = text.strip().split("\n")
    if len(lines) > 1 and lines[0].startswith("```") and lines[-1].strip() == "```":
        return lines[1:-1], 2
    return lines, 1


def line_pairs(
    lines: list[str], first: int, read: Callable[[str], _T], what: str
) -> tuple[list[tuple[str, _T, str]], Problems]:
    """Read one `name: value` a line; of each name, value and the line's place."""
    if len(lines) > _MOST_LINES:
        rule = f"At most {_MOST_LINES:,} lines, and 50 {what} in them."
        return [], [(rule, f"{len(lines):,} lines", f"Leave out what is none of the {what}.")]
    pairs: list[tuple[str, _T, str]] = []
    problems: Problems = []
    for number, line in enumerate(lines, first):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, colon, value = stripped.partition(":")
        place = f"line {number}: "
        if not colon:
            problems.append(("One `name: value` a line.", place + stripped, "Put a colon between name and value."))
            continue
        try:
            pairs.append((name.rstrip(), read(value), place))
        except ValueError as error:
            problems.append((str(error), place + stripped, "Correct the value."))
    return pairs, problems


def load_object(content: str, rule: str) -> tuple[JsonObject, Problems]:
    """Read a text that starts with { as one JSON object, or say why it is none."""
    try:
        loaded: JsonObject = json.loads(content, object_pairs_hook=JsonObject, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        cure = "Correct it, or write one `name: value` a line."
        return JsonObject(), [(rule, str(error) or "too deep a nesting", cure)]
    return loaded, []


def _json_pairs(content: str) -> tuple[_Pairs, Problems]:
    rule = "A text that starts with { has to be one JSON object of plain values."
    loaded, problems = load_object(content, rule)
    pairs: _Pairs = []
    for name, value in loaded:
        if isinstance(value, list):
            problems.append((rule, f"{name}: a list or an object", "Give one plain value a name."))
        elif not _is_sound_number(value):
            problems.append(
                ("A number has to be finite, a whole one of at most 18 digits.", name, "Correct the value.")
            )
        elif isinstance(value, str) and not is_storable(value):
            problems.append((STORABLE_RULE, name, "Correct the value."))
        else:
            pairs.append((name, value, ""))
    return pairs, problems


def _is_sound_number(value: Scalar) -> bool:
    """Tell whether a value is no number at all, or one that every later reader takes."""
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < 10**18


class JsonObject(list[tuple[str, Any]]):
    """The pairs of a JSON object, doubled names kept."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
