"""The features that people ask for, one `name: value` a line, a value perhaps a list or a mapping (pure)."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from pydantic import ValidationError

from actions.contracts.features import AskedFeatures
from actions.contracts.scalar import Scalar
from actions.errors import Problem
from actions.text.suggestions import did_you_mean
from bot.parsing.scalars import (
    MOST_PROBLEMS,
    STORABLE_RULE,
    JsonObject,
    Problems,
    brief,
    closing_quote,
    format_scalar,
    is_storable,
    line_pairs,
    load_object,
    parse_scalar,
    read_quoted,
    told,
    without_comment,
    without_fence,
)

Value = Scalar | list[str] | dict[str, Scalar]
_NAMES = list(AskedFeatures.model_fields)
_OPEN = {"[": "]", "{": "}"}
_SPECIAL = re.compile(r"[\[\]{},:#'\"\n\r\t]")


def parse_features(text: str) -> tuple[AskedFeatures | None, list[Problem]]:
    """Read what a person typed, or one JSON object: the features that are asked for, or what is wrong."""
    lines, first = without_fence(text)
    content = "\n".join(lines).strip()
    if content.startswith("{"):
        loaded, problems = load_object(content, "A text that starts with { has to be one JSON object.")
        pairs = [(name, value, "") for name, value in loaded]
    else:
        pairs, problems = line_pairs(lines, first, parse_value, "features")
    values: dict[str, Any] = {}
    for name, value, place in pairs:
        if name in values:
            problems.append(("Each name stands once.", f"{place}{name} a second time", "Remove one of the two."))
        else:
            values[name] = _plain(name, value, problems)
    asked = None if problems else _asked(values, problems)
    return asked, told("features", problems)


def format_features(asked: AskedFeatures) -> str:
    """Write features so that ``parse_features`` reads the same."""
    values = asked.model_dump(mode="json", exclude_defaults=True)
    return "\n".join(f"{name}: {format_value(value)}" for name, value in values.items())


def _plain(name: str, value: Any, problems: Problems) -> Any:
    """Turn what JSON had for an object into a dictionary, if no name stands twice in it; no text that cannot be stored."""
    texts = [name]
    if isinstance(value, JsonObject):
        twice = [key for key, times in Counter(key for key, _ in value).items() if times > 1]
        if twice:
            problems.append(("Each name stands once.", f"{name}: {twice[0]} a second time", "Remove one of the two."))
        texts += [text for pair in value for text in pair if isinstance(text, str)]
        value = dict(value)
    else:
        texts += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    if not all(is_storable(text) for text in texts):
        problems.append((STORABLE_RULE, "a text that does", "Correct the names and values."))
    return value


def _asked(values: dict[str, Any], problems: Problems) -> AskedFeatures | None:
    try:
        return AskedFeatures.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        problems += [_problem(one) for one in found[:MOST_PROBLEMS]]
        problems += [("", "", "")] * (len(found) - MOST_PROBLEMS)  # these are counted alone
        return None


def _problem(error: Any) -> tuple[str, str, str]:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        cure = did_you_mean(place, _NAMES, otherwise=f"Write one of: {', '.join(_NAMES)}.")
        return f"Features are {', '.join(_NAMES)}.", place or "no name", cure
    value = error["input"]
    scalar = value is None or isinstance(value, str | bool | int | float)
    known = re.findall(r"'([^']+)'", error["msg"]) if error["type"] == "literal_error" else []
    cure = did_you_mean(str(value), known if scalar else [], otherwise=_CURES.get(error["type"], "Correct the value."))
    found = json.dumps(value, ensure_ascii=False) if scalar else "several values"
    return f"{brief(place)}: {error['msg']}.", f"{brief(place, 100)}: {found}", cure


_CURES = {
    "tuple_type": "Write columns in brackets, as in [age, bmi].",
    "dict_type": "Write columns with a number each in braces, as in {age: 5}.",
}


# --- lists and mappings on one line ------------------------------------------------------------------------------------


def parse_value(text: str) -> Value:
    """Read a value as YAML would, in linear time: a scalar, ``[a list, of texts]`` or ``{a: mapping, to: scalars}``.

    Raises
    ------
    ValueError
        With the rule that it breaks.
    """
    text = text.strip()
    if text[:1] == "[":
        return [read_quoted(item) if item[0] in "\"'" else item for item in _items(text)]
    if text[:1] == "{":
        pairs = [_pair(item) for item in _items(text)]
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("Each column stands once.")
        return dict(pairs)
    return parse_scalar(text)


def format_value(value: Value) -> str:
    """Write a value so that ``parse_value`` reads the same."""
    if isinstance(value, list):
        return f"[{', '.join(_bare_or_quoted(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_bare_or_quoted(name)}: {format_scalar(item)}" for name, item in value.items()) + "}"
    return format_scalar(value)


def _bare_or_quoted(text: str) -> str:
    bare = bool(text) and text == text.strip() and not _SPECIAL.search(text)
    return text if bare else json.dumps(text, ensure_ascii=False)


def _items(text: str) -> list[str]:
    """Split what stands between brackets at the commas that no quotes enclose; a comma at the end is allowed."""
    close = _OPEN[text[0]]
    items: list[str] = []
    start = position = 1
    may_quote = True  # a quotation opens where a name or a value begins
    while position < len(text):
        character = text[position]
        if character in "\"'" and may_quote:
            end = closing_quote(text, position)
            if end is None:
                raise ValueError(f"Text that opens with {character} has to close with {character}.")
            position = end
        elif character in _OPEN:
            raise ValueError("A list or a mapping holds no other; a name with brackets goes in quotes.")
        elif character in (",", close):
            items.append(text[start:position].strip())
            start = position + 1
            if character == close:
                break
        may_quote = character in ",:" or (may_quote and character.isspace())
        position += 1
    else:
        raise ValueError(f"What opens with {text[0]} has to close with {close} on the same line.")
    if without_comment(text[start:].strip()):
        raise ValueError(f"Nothing may follow {close}.")
    if items[-1] == "":
        items.pop()
    if "" in items:
        raise ValueError("Between two commas there has to be something.")
    return items


def _pair(item: str) -> tuple[str, Scalar]:
    if item[0] in "\"'":
        end = (closing_quote(item) or 0) + 1
        name, colon, value = read_quoted(item[:end]), item[end:].strip()[:1], item[end:].strip()[1:]
    else:
        name, colon, value = item.partition(":")
        name = name.rstrip()
    if colon != ":":
        raise ValueError("In braces, each name has a colon and a value, as in {age: 5}.")
    return name, parse_scalar(value)
