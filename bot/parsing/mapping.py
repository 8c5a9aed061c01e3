"""A training request that comes field by field (JSON, YAML, options of a command), read by the form's own rules (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic.fields import FieldInfo

from actions.errors import InvalidInput, Problem, invalid_field
from actions.tasks.registry import TrainingRequest, parse_request
from actions.text.suggestions import nearest
from bot.parsing.form import BODY_LIMIT, ParsedForm, form_body, plain_text
from bot.parsing.form_fields import FOLLOWING, Reading, kind_of, may_be_none, request_fields
from bot.parsing.name_values import MAX_PROBLEMS
from bot.parsing.scalars import brief

ROOM = 2_000
"""Characters of an issue's body that whoever opens it needs beside the form."""


def read_request(given: Mapping[str, object]) -> ParsedForm:
    """Read values by the names of the request's fields: the typed request, or everything that is wrong with them.

    Texts are read as the form reads what is typed into it, so ``"0.9"`` is a threshold. What is returned can be written
    into an issue as it is.
    """
    wrong, guessed = _unknown(given)
    texts = {name: _as_typed(given.get(name)) for name in request_fields()}
    # YAML's null comes as the text that it is.
    absent = {name for name, field in request_fields().items() if may_be_none(field) and texts[name] == "null"}
    reading = Reading({name: "" if name in absent else text for name, text in texts.items()}, guessed)
    for name, field in reading.fields.items():
        if name in given or not field.is_required():
            reading.read(name, field)
        elif name not in guessed and name not in FOLLOWING:
            cure = reading.how_to_fill(name, field) if kind_of(field) == "dropdown" else _example(name, field)
            reading.complain(name, "This field is needed.", "It is not there.", cure)
    reading.check()
    wrong += reading.wrong
    if wrong:
        return ParsedForm(wrong=tuple(wrong))
    return _expressible(parse_request(reading.values))


def as_lines(hyperparameters: Mapping[str, object]) -> str:
    """Return the lines that the form has for hyperparameters whose values are known as text alone, as in YAML."""
    return "\n".join(f"{name}: {value}" for name, value in hyperparameters.items())


def _expressible(request: TrainingRequest) -> ParsedForm:
    """Refuse what an issue cannot carry."""
    try:
        size = len(form_body(request)) + ROOM
    except InvalidInput as error:
        return ParsedForm(wrong=(error.body.model_copy(update={"field": error.body.field or "request"}),))
    if size > BODY_LIMIT:
        rule = f"An issue has at most {BODY_LIMIT} characters."
        return ParsedForm(wrong=(invalid_field("request", rule, f"{size} characters", "Shorten the notes."),))
    return ParsedForm(request=request)


def _unknown(given: Mapping[str, object]) -> tuple[list[Problem], set[str]]:
    """Return a complaint for each name that is no field, and the fields that were probably meant."""
    fields = list(request_fields())
    strange = [name for name in given if name not in fields]
    wrong, guessed = [], set()
    for name in strange[:MAX_PROBLEMS]:
        near = nearest(name, [field for field in fields if field not in given])
        cure = f"Did you mean {near}?" if near else f"Fields are {', '.join(fields)}."
        wrong.append(invalid_field("request", "Fields have the names of the training request.", brief(name), cure))
        guessed |= {near} if near else set()
    if len(strange) > MAX_PROBLEMS:
        more = f"{len(strange) - MAX_PROBLEMS} more unknown names"
        wrong.append(invalid_field("request", "Fields have the names of the training request.", more, "Remove them."))
    return wrong, guessed


def _as_typed(value: object) -> str:
    """Return what a person would have typed into the form."""
    if value is None:
        return ""
    return plain_text(value if isinstance(value, str) else json.dumps(value)).strip()


def _example(name: str, field: FieldInfo) -> str:
    return f"Add {name}, for example: {field.examples[0]}" if field.examples else f"Add {name}."
