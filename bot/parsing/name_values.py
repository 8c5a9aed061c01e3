"""Form fields of several lines: one ``name: value`` per line, or one JSON object, perhaps in a code fence (pure)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from actions.contracts.scalar import Scalar
from actions.errors import Problem, invalid_field
from bot.parsing.scalars import NAME_RULE, brief, is_name, parse_json, parse_scalar

MAX_PROBLEMS = 10
"""Problems of one kind (bad lines, unknown headings) that are listed; further ones are only counted."""
_MAX_LINES = 1_000
FENCES = ("```", "~~~")
"""What a code fence begins with."""

Findings = list[tuple[str, str, str]]
"""Problems with a field: the rule, what was found, and the next step."""


class NameValue(NamedTuple):
    """A name and its value; ``place`` is ``line 3:`` and a blank, or empty within a JSON object."""

    name: str
    value: Any
    place: str


def parse_hyperparameters(text: str) -> tuple[dict[str, Scalar], list[Problem]]:
    """Read hyperparameters; return those that could be read, and every problem."""
    pairs, findings = read_pairs(text, parse_scalar, "hyperparameters")
    for name, value, place in pairs:
        if not is_name(name):
            findings.append((NAME_RULE, f"{place}{name}", "Use the library's name for it."))
        elif isinstance(value, list | dict):
            rule = "The value of a hyperparameter must not be a list or an object."
            findings.append((rule, f"{place}{name}: a list or an object", "Give it one plain value."))
    return {pair.name: pair.value for pair in pairs}, listed("hyperparameters", findings)


def read_pairs(text: str, read: Callable[[str], Any], what: str) -> tuple[list[NameValue], Findings]:
    """Read the pairs in a field, and every problem. Blank lines and lines that start with ``#`` are skipped.

    Parameters
    ----------
    text
        The field's text.
    read
        Reads a value; its ValueError has the rule that the value breaks.
    what
        What the names stand for, for messages.
    """
    lines, first_number = _without_fence(text)
    content = "\n".join(lines).strip()
    if content.startswith("{"):
        return _read_object(content)
    if len(lines) > _MAX_LINES:
        rule = f"There must be at most {_MAX_LINES:,} lines with 50 {what}."
        return [], [(rule, f"{len(lines):,} lines", "Remove lines.")]
    pairs: dict[str, NameValue] = {}
    findings: Findings = []
    for number, line in enumerate(map(str.strip, lines), first_number):
        if not line or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        name, place = name.rstrip(), f"line {number}: "
        if not colon:
            findings.append(("Each line must be `name: value`.", place + line, "Put a colon after the name."))
        elif name in pairs:
            findings.append(("Each name must be unique.", f"{place}{name} a second time", "Remove one of the two."))
        else:
            try:
                pairs[name] = NameValue(name, read(value), place)
            except ValueError as error:
                findings.append((str(error), place + line, "Correct the value."))
    return list(pairs.values()), findings


def _read_object(text: str) -> tuple[list[NameValue], Findings]:
    try:
        return [NameValue(name, value, "") for name, value in parse_json(text).items()], []
    except ValueError as error:
        is_json = not isinstance(error, json.JSONDecodeError)
        rule = str(error) if is_json else "Text that starts with { must be one JSON object."
        found = text if is_json else str(error)
        return [], [(rule, found, "Correct it, or write one `name: value` per line.")]


def _without_fence(text: str) -> tuple[list[str], int]:
    """Return a text's lines without the code fence around them, and the number of the first line."""
    lines = text.strip().split("\n")
    if len(lines) > 1 and lines[0].startswith(FENCES) and lines[-1].strip() == lines[0][:3]:
        return lines[1:-1], 2
    return lines, 1


def listed(field: str, findings: Findings) -> list[Problem]:
    """Return a field's problems; if there are very many, the rest is only counted."""
    problems = [invalid_field(field, rule, brief(found), cure) for rule, found, cure in findings[:MAX_PROBLEMS]]
    if len(findings) > MAX_PROBLEMS:
        more = f"{len(findings) - MAX_PROBLEMS} more lines like these"
        problems.append(invalid_field(field, "Every line must be valid.", more, "Correct them as well."))
    return problems
