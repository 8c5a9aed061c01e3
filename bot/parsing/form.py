"""Converts an issue's text to a typed request, and a request to the text of an issue (pure).

GitHub posts a form as one ``### Label`` heading per field, followed by the value or ``_No response_``. It does not say which
form was used, so every heading of a known field is read.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from actions.contracts.features import RequestedFeatures
from actions.contracts.scalar import Scalar
from actions.errors import InvalidInput, Problem, invalid_field
from actions.tasks.registry import TrainingRequest, parse_request, tasks
from actions.text.suggestions import nearest
from bot.parsing.feature_fields import format_features
from bot.parsing.form_fields import DERIVED, NO_CHOICE, NO_RESPONSE, kind_of, label_of, request_fields
from bot.parsing.form_reading import FormReading
from bot.parsing.name_values import FENCES, MAX_PROBLEMS
from bot.parsing.scalars import brief, format_scalar

MAX_BODY = 65_536
"""GitHub's limit for the body of an issue, in characters."""
MAX_BODY_RULE = f"An issue must have at most {MAX_BODY} characters."


@dataclass(frozen=True)
class ParsedForm:
    """The content of an issue's body: a request, or everything that is wrong with it.

    Attributes
    ----------
    request
        The request, if nothing is wrong.
    wrong
        Every problem, in the order of the form; unknown headings first.
    not_a_form
        Whether the body has none of the form's headings: the label was set on an ordinary issue.
    """

    request: TrainingRequest | None = None
    wrong: tuple[Problem, ...] = ()
    not_a_form: bool = False


def form_body(request: TrainingRequest) -> str:
    """Return the body that GitHub would post if this request were typed into the form.

    Raises
    ------
    InvalidInput
        With reason ``not_expressible`` if the form cannot express a value, such as a line break in a one-line field.
    """
    texts = {name: _typed(getattr(request, name)) for name in request.form_fields()}
    body = "\n\n".join(f"### {label_of(name)}\n\n{text or NO_RESPONSE}" for name, text in texts.items())
    parsed = parse_form(body)
    if parsed.request is None or _without_notes(parsed.request) != _without_notes(request):
        if parsed.wrong:
            raise InvalidInput.from_problem(parsed.wrong[0], reason="not_expressible")
        raise InvalidInput(
            "not_expressible",
            rule="Values in the form must not start or end with a space.",
            found="a value that would be read differently.",
            next_step="Remove the spaces around the values.",
        )
    return body


def _typed(value: Scalar | dict[str, Scalar] | RequestedFeatures) -> str:
    if value is None:
        return ""
    if isinstance(value, RequestedFeatures):
        return format_features(value)
    if isinstance(value, dict):
        return "\n".join(f"{name}: {format_scalar(item)}" for name, item in value.items())
    return value.strip() if isinstance(value, str) else str(value)


def _without_notes(request: TrainingRequest) -> dict[str, Any]:
    return request.model_dump(exclude={"notes"})


# --- the body ----------------------------------------------------------------------------------------------------------


def parse_form(body: str) -> ParsedForm:
    """Read an issue's body: the typed request, or every invalid field with what would be valid.

    Any text is accepted; the time is linear in its length.
    """
    if len(body) > MAX_BODY:
        return ParsedForm(
            wrong=(invalid_field("form", MAX_BODY_RULE, f"{len(body)} characters", "Shorten the notes."),)
        )
    sections = _split(plain_text(body))
    if not sections.texts:
        return ParsedForm(not_a_form=True)
    reading = FormReading(sections.texts, sections.guessed)
    reading.read_all()
    wrong = tuple(sections.wrong + sorted(reading.wrong, key=_form_order))
    if wrong:
        return ParsedForm(wrong=wrong)
    try:
        return ParsedForm(request=parse_request(reading.values))
    except ValidationError as error:  # a rule of the type that no check above covers
        return ParsedForm(wrong=tuple(_as_wrong(item) for item in error.errors(include_url=False)))


def looks_like_form(body: str) -> bool:
    """Tell whether a body begins as GitHub begins a form's, and has a heading for each field that every form requires."""
    text = plain_text(body[:MAX_BODY]).lstrip()
    if not text.startswith("### "):
        return False
    required = [
        {name for name, field in task.request.form_fields().items() if field.is_required() and name not in DERIVED}
        for task in tasks().values()
    ]
    return set.intersection(*required) <= set(_split(text).texts)


def plain_text(body: str) -> str:
    """Normalise line ends, and remove characters that git or a database would refuse."""
    text = body.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return text.encode("utf-8", "ignore").decode("utf-8")


def _form_order(wrong: Problem) -> int:
    return [*request_fields()].index(str(wrong.field))


def _as_wrong(item: Any) -> Problem:
    field = str(item["loc"][0]) if item["loc"] else "form"
    return invalid_field(field, f"{item['msg']}.", brief(str(item["input"])), "Correct it.")


@dataclass
class _Sections:
    """The body, split at its headings."""

    texts: dict[str, str]
    wrong: list[Problem]
    guessed: set[str]
    """Fields whose heading is misspelt, which is reported once."""


def _split(text: str) -> _Sections:
    """Split at lines that start with ``### ``, outside of code fences; the last field, the notes, takes the rest unchanged."""
    by_label = {label_of(name): name for name in request_fields()}
    last = list(request_fields())[-1]
    lines: dict[str, list[str]] = {}
    unknown: list[str] = []
    twice: list[str] = []
    current: list[str] = []
    all_lines = text.split("\n")
    fenced = _fenced(all_lines)
    for number, line in enumerate(all_lines):
        if not line.startswith("### ") or number in fenced:
            current.append(line)
            continue
        label = line[4:].strip()
        name = by_label.get(label)
        current = []
        if name is None:
            unknown.append(label)
        elif name in lines:
            twice.append(name)
        else:
            lines[name] = current
        if name == last:
            current += all_lines[number + 1 :]
            break
    texts = {name: _answer(name, "\n".join(below).strip()) for name, below in lines.items()}
    return _Sections(texts, *_heading_problems(unknown, twice, texts))


def _fenced(lines: Sequence[str]) -> set[int]:
    """Return the lines inside code fences. A fence that nothing closes is none, so that it cannot swallow the form."""
    closed_by = {fence: [number for number, line in enumerate(lines) if line.rstrip() == fence] for fence in FENCES}
    inside: set[int] = set()
    after = -1
    for number, line in enumerate(lines):
        if number > after and line.startswith(FENCES):
            ends = closed_by[line[:3]]
            end = bisect.bisect_right(ends, number)
            if end < len(ends):
                after = ends[end]
                inside.update(range(number, after + 1))
    return inside


def _answer(name: str, text: str) -> str:
    """Return an answer; a dropdown without a choice is no answer."""
    return NO_RESPONSE if text == NO_CHOICE and kind_of(request_fields()[name]) == "dropdown" else text


def _heading_problems(unknown: list[str], twice: list[str], texts: dict[str, str]) -> tuple[list[Problem], set[str]]:
    rule = "Headings must stay as the form wrote them."
    wrong: list[Problem] = []
    guessed: set[str] = set()
    missing = {label_of(name): name for name in request_fields() if name not in texts}
    for label in unknown[:MAX_PROBLEMS]:
        near = nearest(label, [label_of(name) for name in request_fields()])
        cure = f"Write ### {near} instead." if near else "Remove this line."
        wrong.append(invalid_field("form", rule, f"### {brief(label)}", cure))
        if near in missing:
            guessed.add(missing[near])
    if len(unknown) > MAX_PROBLEMS:
        more = f"{len(unknown) - MAX_PROBLEMS} more unknown headings"
        wrong.append(invalid_field("form", rule, more, "Remove them."))
    for name in dict.fromkeys(twice):
        found = f"### {label_of(name)} more than once"
        wrong.append(invalid_field(name, "Each heading must be unique.", found, "Keep only one of them."))
    return wrong, guessed
