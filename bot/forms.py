"""The issue form and back: the form's template from the request type, an issue's body to a typed request (pure).

GitHub posts a form as one ``### Label`` heading a field, each with the value below it, or ``_No response_``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from actions.operation import InvalidInput
from actions.request import Scalar, TrainingRequest
from bot.fields import NO_RESPONSE, Reading, kind_of, label_of, request_fields
from bot.values import MOST_PROBLEMS, WrongField, brief, format_scalar, nearest

__all__ = ["FORM_PATH", "ParsedForm", "WrongField", "form_body", "parse_form", "render_form"]

BODY_LIMIT = 65_536
"""GitHub's limit for the body of an issue, in characters."""

FORM_PATH = ".github/ISSUE_TEMPLATE/train.yml"
_INTRODUCTION = """\
**Open an issue, get a model.** Modelyard reads this form, prepares the data, trains, evaluates and judges the model, \
and keeps one comment below your issue up to date.

Fields with a star are needed. If something is wrong, a comment says what and how to put it right; \
edit the issue then, you need no new one.
"""


@dataclass(frozen=True)
class ParsedForm:
    """What an issue's body says: a request, or everything that is wrong with it.

    Attributes
    ----------
    request
        The request, where nothing is wrong.
    wrong
        Every wrong field at once, in the form's order; unknown headings first.
    not_a_form
        The body has none of the form's headings: the label was set on an ordinary issue.
    """

    request: TrainingRequest | None = None
    wrong: tuple[WrongField, ...] = ()
    not_a_form: bool = False


# --- the template ------------------------------------------------------------------------------------------------------


def render_form() -> str:
    """Return the issue form of a training request: ``.github/ISSUE_TEMPLATE/train.yml``."""
    body: list[dict[str, Any]] = [{"type": "markdown", "attributes": {"value": _INTRODUCTION}}]
    body += [_element(name, field) for name, field in request_fields().items()]
    form = {
        "name": "Train a model",
        "description": "Train, evaluate and judge a model, and register it if it is good enough.",
        "title": "Train: ",
        "labels": ["mlops:train"],
        "body": body,
    }
    head = "# Written by `python -m bot.forms` from actions/request.py: change the request type, not this file.\n"
    return head + yaml.dump(form, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Safe YAML, with several lines of text as a block."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _element(name: str, field: FieldInfo) -> dict[str, Any]:
    kind = kind_of(field)
    attributes: dict[str, Any] = {"label": field.title, "description": field.description}
    if kind == "dropdown":
        attributes["options"] = list(get_args(field.annotation))
    if field.examples:
        attributes["placeholder"] = str(field.examples[0])
    if not field.is_required() and kind == "input":
        attributes["value"] = str(field.default)
    required = {"required": field.is_required()}
    return {"type": kind, "id": name, "attributes": attributes, "validations": required}


def form_body(request: TrainingRequest) -> str:
    """Return the body that GitHub would post for this request, were it typed into the form.

    Raises
    ------
    InvalidInput
        With reason ``not_expressible`` where the form cannot carry a value: a line break in a one-line field, say.
    """
    texts = {name: _typed(getattr(request, name)) for name in request_fields()}
    body = "\n\n".join(f"### {label_of(name)}\n\n{text or NO_RESPONSE}" for name, text in texts.items())
    parsed = parse_form(body)
    if parsed.request is None or _but_notes(parsed.request) != _but_notes(request):
        first = parsed.wrong[0] if parsed.wrong else None
        raise InvalidInput(
            "not_expressible",
            rule=first.rule if first else "Values of the form have no blanks around them.",
            found=first.found if first else "A value that would be read differently.",
            next_step=first.next_step if first else "Remove blanks around the values.",
            field=first.field if first else None,
        )
    return body


def _typed(value: Scalar | dict[str, Scalar]) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}: {format_scalar(item)}" for name, item in value.items())
    return value.strip() if isinstance(value, str) else str(value)


def _but_notes(request: TrainingRequest) -> dict[str, Any]:
    return request.model_dump(exclude={"notes"})


# --- the body ----------------------------------------------------------------------------------------------------------


def parse_form(body: str) -> ParsedForm:
    """Read an issue's body: the typed request, or every wrong field with what would be right.

    Any text is taken, in time linear in its length.
    """
    if len(body) > BODY_LIMIT:
        rule = f"An issue has at most {BODY_LIMIT} characters."
        return ParsedForm(wrong=(WrongField("form", "Form", rule, f"{len(body)} characters", "Shorten the notes."),))
    sections = _split(plain_text(body))
    if not sections.texts:
        return ParsedForm(not_a_form=True)
    reading = Reading(sections.texts, sections.guessed)
    for name, field in request_fields().items():
        reading.read(name, field)
    reading.check_data()
    reading.check_agreement()
    wrong = tuple(sections.wrong + sorted(reading.wrong, key=_form_order))
    if wrong:
        return ParsedForm(wrong=wrong)
    try:
        return ParsedForm(request=TrainingRequest(**reading.values))
    except ValidationError as error:  # a rule of the type that no check above knows: told, if less kindly
        return ParsedForm(wrong=tuple(_as_wrong(item) for item in error.errors(include_url=False)))


def plain_text(body: str) -> str:
    """End lines by a line feed, and drop what neither git nor a database takes as text."""
    text = body.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return text.encode("utf-8", "ignore").decode("utf-8")


def _form_order(wrong: WrongField) -> int:
    return list(request_fields()).index(wrong.field)


def _as_wrong(item: Any) -> WrongField:
    field = str(item["loc"][0]) if item["loc"] else "form"
    label = label_of(field) if field in request_fields() else "Form"
    return WrongField(field, label, f"{item['msg']}.", brief(str(item["input"])), "Correct it.")


@dataclass
class _Sections:
    """The body, split at its headings."""

    texts: dict[str, str]
    wrong: list[WrongField]
    guessed: set[str]
    """Fields whose heading stands there in a wrong spelling: they need no second complaint."""


def _split(text: str) -> _Sections:
    """Split once at ``### `` lines; the last field, the notes, takes the rest as it is."""
    by_label = {label_of(name): name for name in request_fields()}
    last = list(request_fields())[-1]
    lines: dict[str, list[str]] = {}
    unknown: list[str] = []
    twice: list[str] = []
    current: list[str] = []
    all_lines = text.split("\n")
    for number, line in enumerate(all_lines):
        if not line.startswith("### "):
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
    texts = {name: "\n".join(found).strip() for name, found in lines.items()}
    return _Sections(texts, *_heading_problems(unknown, twice, texts))


def _heading_problems(unknown: list[str], twice: list[str], texts: dict[str, str]) -> tuple[list[WrongField], set[str]]:
    rule = "Headings stay as the form wrote them."
    wrong: list[WrongField] = []
    guessed: set[str] = set()
    missing = {label_of(name): name for name in request_fields() if name not in texts}
    for label in unknown[:MOST_PROBLEMS]:
        near = nearest(label, [label_of(name) for name in request_fields()])
        cure = f"Write ### {near} instead." if near else "Remove this line."
        wrong.append(WrongField("form", "Form", rule, f"### {brief(label)}", cure))
        if near in missing:
            guessed.add(missing[near])
    if len(unknown) > MOST_PROBLEMS:
        more = f"{len(unknown) - MOST_PROBLEMS} more unknown headings"
        wrong.append(WrongField("form", "Form", rule, more, "Remove them."))
    for name in dict.fromkeys(twice):
        found = f"### {label_of(name)} more than once"
        wrong.append(WrongField(name, label_of(name), "Each heading stands once.", found, "Remove all but one."))
    return wrong, guessed


if __name__ == "__main__":
    sys.stdout.write(render_form())
