"""The requested features: one ``name: value`` per line, where a value may be a list or a mapping (pure)."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

from actions.contracts.features import RequestedFeatures
from actions.contracts.scalar import Scalar
from actions.errors import Problem
from actions.text.suggestions import did_you_mean
from bot.parsing.name_values import MAX_PROBLEMS, Findings, listed, read_pairs
from bot.parsing.scalars import QUOTED, brief, format_scalar, parse_scalar, read_quoted, without_comment

Value = Scalar | list[str] | dict[str, Scalar]
_NAMES = list(RequestedFeatures.model_fields)
_FLOW_RULE = (
    "A list must be [a, b] and a mapping {a: 1, b: 2}, on one line and not nested; "
    "names with special characters must be quoted."
)
_START = r"[^\s\[\]{},:'\"]"
_ITEM = re.compile(
    rf"\s*+((?:{QUOTED}|{_START}[^\[\]{{}},:]*+)\s*+(?::\s*+(?:{QUOTED}|[^\[\]{{}},:]*+)\s*+)*+)(?:,\s*+|(?=[\]}}]))"
)
_PAIR = re.compile(rf"({QUOTED}\s*+|[^:'\"][^:]*+):(.*)", re.DOTALL)
_SPECIAL = re.compile(r"[\[\]{},:#'\"\n\r\t]")


def parse_features(text: str) -> tuple[RequestedFeatures | None, list[Problem]]:
    """Read the requested features; return them, or every problem."""
    pairs, findings = read_pairs(text, parse_value, "features")
    features = None if findings else _validated({pair.name: pair.value for pair in pairs}, findings)
    return features, listed("features", findings)


def format_features(features: RequestedFeatures) -> str:
    """Write features so that ``parse_features`` reads the same."""
    values = features.model_dump(mode="json", exclude_defaults=True)
    return "\n".join(f"{name}: {format_value(value)}" for name, value in values.items())


def parse_value(text: str) -> Value:
    """Read a scalar, ``[a, list, of, texts]`` or ``{a: mapping, to: scalars}``.

    Raises
    ------
    ValueError
        With the rule that it breaks.
    """
    text = text.strip()
    if text.startswith("["):
        return [_read_text(item) for item in _items(text, "]")]
    if text.startswith("{"):
        pairs = [_PAIR.fullmatch(item) for item in _items(text, "}")]
        values = {_read_text(pair[1].rstrip()): parse_scalar(pair[2]) for pair in pairs if pair}
        if len(values) < len(pairs):
            raise ValueError("Braces must contain names with a value each, as in {age: 5}; each name must be unique.")
        return values
    return parse_scalar(text)


def _items(text: str, close: str) -> list[str]:
    """Split the text in brackets at the commas outside quotes; the last item may have a comma, too."""
    items: list[str] = []
    position = 1
    while item := _ITEM.match(text, position):
        items.append(item[1].rstrip())
        position = item.end()
    rest = text[position:].lstrip()
    if not rest.startswith(close) or without_comment(rest[1:].strip()):
        raise ValueError(_FLOW_RULE)
    return items


def _read_text(text: str) -> str:
    return read_quoted(text) if text[0] in "\"'" else text


def format_value(value: Value) -> str:
    """Write a value so that ``parse_value`` reads the same."""
    if isinstance(value, list):
        return f"[{', '.join(map(_bare_or_quoted, value))}]"
    if isinstance(value, dict):
        pairs = [f"{_bare_or_quoted(name)}: {json.dumps(item, ensure_ascii=False)}" for name, item in value.items()]
        return f"{{{', '.join(pairs)}}}"
    return format_scalar(value)


def _bare_or_quoted(text: str) -> str:
    is_bare = bool(text) and text == text.strip() and not _SPECIAL.search(text)
    return text if is_bare else json.dumps(text, ensure_ascii=False)


def _validated(values: dict[str, Any], findings: Findings) -> RequestedFeatures | None:
    try:
        return RequestedFeatures.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        findings += [_finding(item) for item in errors[:MAX_PROBLEMS]]
        findings += [("", "", "")] * (len(errors) - MAX_PROBLEMS)  # only counted
        return None


def _finding(error: Any) -> tuple[str, str, str]:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        cure = did_you_mean(place, _NAMES, otherwise=f"Use one of: {', '.join(_NAMES)}.")
        return f"A feature must be one of {', '.join(_NAMES)}.", place or "no name", cure
    value = error["input"]
    is_scalar = value is None or isinstance(value, str | bool | int | float)
    options = re.findall(r"'([^']+)'", error["msg"]) if is_scalar and error["type"] == "literal_error" else []
    cure = did_you_mean(str(value), options, otherwise=_CURES.get(error["type"], "Correct the value."))
    found = json.dumps(value, ensure_ascii=False) if is_scalar else "several values"
    return f"{brief(place)}: {error['msg']}.", f"{brief(place, 100)}: {found}", cure


_CURES = {
    "tuple_type": "Write the columns in brackets, as in [age, bmi].",
    "dict_type": "Write each column with a number, in braces, as in {age: 5}.",
}
