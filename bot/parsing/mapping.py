"""Reads a training request given field by field (JSON, YAML, command-line options) by the rules of the form (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic.fields import FieldInfo

from actions.errors import InvalidInput, Problem, invalid_field
from actions.tasks.registry import TrainingRequest, parse_request
from actions.text.suggestions import nearest
from bot.parsing.form import MAX_BODY, MAX_BODY_RULE, ParsedForm, form_body, plain_text
from bot.parsing.form_fields import DERIVED, kind_of, may_be_none, request_fields
from bot.parsing.form_reading import REQUIRED_RULE, FormReading
from bot.parsing.name_values import MAX_PROBLEMS
from bot.parsing.scalars import brief

RESERVED = 2_000
"""Characters of an issue's body reserved for the opener's own text, such as markers."""
_NAME_RULE = "Each name must be a field of the training request."


def read_request(given: Mapping[str, object]) -> ParsedForm:
    """Read the request's fields by name: the typed request, or everything that is wrong with them.

    Text is read as if it were typed into the form, so ``"0.9"`` is a threshold. A request that is returned can be written
    into an issue.
    """
    wrong, guessed = _unknown(given)
    texts = {name: _as_typed(given.get(name)) for name in request_fields()}
    # YAML's null arrives as text.
    absent = {name for name, field in request_fields().items() if may_be_none(field) and texts[name] == "null"}
    reading = FormReading({name: "" if name in absent else text for name, text in texts.items()}, guessed)
    for name, field in reading.fields.items():
        if name in given or not field.is_required():
            reading.read(name, field)
        elif name not in guessed and name not in DERIVED:
            cure = reading.how_to_fill(name, field) if kind_of(field) == "dropdown" else _example(name, field)
            reading.add_error(name, REQUIRED_RULE, "It is missing.", cure)
    reading.check()
    wrong += reading.wrong
    if wrong:
        return ParsedForm(wrong=tuple(wrong))
    return _expressible(parse_request(reading.values))


def as_lines(hyperparameters: Mapping[str, object]) -> str:
    """Write hyperparameters whose values are known only as text, as in YAML, as lines of the form."""
    return "\n".join(f"{name}: {value}" for name, value in hyperparameters.items())


def _expressible(request: TrainingRequest) -> ParsedForm:
    """Refuse a request that does not fit into an issue."""
    try:
        size = len(form_body(request)) + RESERVED
    except InvalidInput as error:
        return ParsedForm(wrong=(error.problem.model_copy(update={"field": error.problem.field or "request"}),))
    if size > MAX_BODY:
        return ParsedForm(wrong=(invalid_field("request", MAX_BODY_RULE, f"{size} characters", "Shorten the notes."),))
    return ParsedForm(request=request)


def _unknown(given: Mapping[str, object]) -> tuple[list[Problem], set[str]]:
    """Return a problem for each name that is not a field, and the fields that were probably meant."""
    fields = list(request_fields())
    unknown = [name for name in given if name not in fields]
    wrong, guessed = [], set()
    for name in unknown[:MAX_PROBLEMS]:
        near = nearest(name, [field for field in fields if field not in given])
        cure = f"Did you mean {near}?" if near else f"Use one of: {', '.join(fields)}."
        wrong.append(invalid_field("request", _NAME_RULE, brief(name), cure))
        guessed |= {near} if near else set()
    if len(unknown) > MAX_PROBLEMS:
        more = f"{len(unknown) - MAX_PROBLEMS} more unknown names"
        wrong.append(invalid_field("request", _NAME_RULE, more, "Remove them."))
    return wrong, guessed


def _as_typed(value: object) -> str:
    """Return the text that a person would have typed into the form."""
    if value is None:
        return ""
    return plain_text(value if isinstance(value, str) else json.dumps(value)).strip()


def _example(name: str, field: FieldInfo) -> str:
    return f"Add {name}, for example: {field.examples[0]}" if field.examples else f"Add {name}."
