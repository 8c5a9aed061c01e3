"""A form's body and back: an issue's text to a typed request, and a request to the text of an issue (pure).

GitHub posts a form as one ``### Label`` heading a field, each with the value below it, or ``_No response_``. It does not say
which form it was: whatever headings there are, are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from actions.contracts.features import AskedFeatures
from actions.contracts.scalar import Scalar
from actions.errors import InvalidInput, Problem, invalid_field
from actions.tasks.registry import TrainingRequest, parse_request
from actions.text.suggestions import nearest
from bot.parsing.feature_fields import format_features
from bot.parsing.form_fields import NO_RESPONSE, Reading, label_of, request_fields
from bot.parsing.name_values import MAX_PROBLEMS
from bot.parsing.scalars import brief, format_scalar

BODY_LIMIT = 65_536
"""GitHub's limit for the body of an issue, in characters."""


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
    wrong: tuple[Problem, ...] = ()
    not_a_form: bool = False


def form_body(request: TrainingRequest) -> str:
    """Return the body that GitHub would post for this request, were it typed into the form.

    Raises
    ------
    InvalidInput
        With reason ``not_expressible`` where the form cannot carry a value: a line break in a one-line field, say.
    """
    texts = {name: _typed(getattr(request, name)) for name in request.form_fields()}
    body = "\n\n".join(f"### {label_of(name)}\n\n{text or NO_RESPONSE}" for name, text in texts.items())
    parsed = parse_form(body)
    if parsed.request is None or _but_notes(parsed.request) != _but_notes(request):
        if parsed.wrong:
            raise InvalidInput.from_problem(parsed.wrong[0], reason="not_expressible")
        raise InvalidInput(
            "not_expressible",
            rule="Values of the form have no blanks around them.",
            found="A value that would be read differently.",
            next_step="Remove blanks around the values.",
        )
    return body


def _typed(value: Scalar | dict[str, Scalar] | AskedFeatures) -> str:
    if value is None:
        return ""
    if isinstance(value, AskedFeatures):
        return format_features(value)
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
        return ParsedForm(wrong=(invalid_field("form", rule, f"{len(body)} characters", "Shorten the notes."),))
    sections = _split(plain_text(body))
    if not sections.texts:
        return ParsedForm(not_a_form=True)
    reading = Reading(sections.texts, sections.guessed)
    reading.read_all()
    wrong = tuple(sections.wrong + sorted(reading.wrong, key=_form_order))
    if wrong:
        return ParsedForm(wrong=wrong)
    try:
        return ParsedForm(request=parse_request(reading.values))
    except ValidationError as error:  # a rule of the type that no check above knows: told, if less kindly
        return ParsedForm(wrong=tuple(_as_wrong(item) for item in error.errors(include_url=False)))


def plain_text(body: str) -> str:
    """End lines by a line feed, and drop what neither git nor a database takes as text."""
    text = body.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
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


def _heading_problems(unknown: list[str], twice: list[str], texts: dict[str, str]) -> tuple[list[Problem], set[str]]:
    rule = "Headings stay as the form wrote them."
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
        wrong.append(invalid_field(name, "Each heading stands once.", found, "Remove all but one."))
    return wrong, guessed
