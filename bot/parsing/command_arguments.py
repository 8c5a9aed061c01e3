"""``name=value`` words on a command's line: the arguments of an operation, or overrides of a request (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from actions.contracts.hyperparameters import hyperparameters
from actions.contracts.request import BaseRequest
from actions.contracts.scalar import Scalar
from actions.errors import InvalidInput, Problem, invalid_field
from actions.tasks.registry import TrainingRequest
from actions.text.suggestions import nearest
from bot.parsing.form_fields import broken_rule, request_fields
from bot.parsing.scalars import (
    NAME_RULE,
    Argument,
    brief,
    end_of_argument,
    end_of_value,
    is_name,
    parse_argument,
    parse_scalar,
)

MAX_LENGTH = 3_900

OVERRIDABLE_FIELDS = ("seed", "timeout_minutes")
"""Fields of the request that a new attempt may change, besides the hyperparameters."""

_NAME = re.compile(r"([^\s=\"']+)=")


def read_arguments(text: str, usage: str) -> tuple[dict[str, Argument], list[Problem]]:
    """Read the arguments of an operation, which must be all of the text; the operation checks names and types."""
    arguments: dict[str, Argument] = {}
    problems: list[Problem] = []
    position = 0
    while match := _NAME.match(text, position):
        end = end_of_argument(text, match.end())
        problems += _read_argument(match[1], text[match.end() : end], arguments)
        position = _skip_blanks(text, end)
    if text[position:]:
        rule = "Arguments must be written name=value."
        problems.append(_problem("arguments", rule, text[position:], f"Write {usage}."))
    return arguments, problems


def read_overrides(text: str) -> tuple[dict[str, Scalar], str, list[Problem]]:
    """Read overrides, then the reason. An override inside the reason is a problem, so that none is overlooked."""
    overrides: dict[str, Scalar] = {}
    problems: list[Problem] = []
    position = 0
    while match := _NAME.match(text, position):
        end = end_of_value(text, match.end())
        problems += _read_override(match[1], text[match.end() : end], overrides)
        position = _skip_blanks(text, end)
    reason = text[position:]
    return overrides, reason, [*problems, *_overrides_in(reason)]


def _skip_blanks(text: str, position: int) -> int:
    return position + len(text[position:]) - len(text[position:].lstrip())


def _overrides_in(reason: str) -> Iterator[Problem]:
    for word in reason.split():
        before, equals, after = word.partition("=")
        if word == "=" or (equals and after and is_name(before)):
            next_step = "Write name=value without spaces, before the reason; or leave the = sign out of the reason."
            yield _problem(before or "reason", "Settings must come before the reason.", word, next_step)


def _read_argument(name: str, value: str, arguments: dict[str, Argument]) -> Iterator[Problem]:
    found = f"{name}={value}"
    if not is_name(name):
        yield _problem(name, NAME_RULE, found, "Write name=value, without spaces around the = sign.")
    elif name in arguments:
        yield _problem(name, "Each argument must be given once.", found, "Remove one of the two.")
    else:
        try:
            arguments[name] = parse_argument(value)
        except ValueError as error:
            yield _problem(name, str(error), found, "Correct the value.")


def _read_override(name: str, value: str, overrides: dict[str, Scalar]) -> Iterator[Problem]:
    found = f"{name}={value}"
    if not is_name(name):
        yield _problem(name, NAME_RULE, found, "Write name=value, without spaces around the = sign.")
    elif name in overrides:
        yield _problem(name, "Each setting must be given once.", found, "Remove one of the two.")
    elif name in request_fields() and name not in OVERRIDABLE_FIELDS:
        rule = f"An approval can only change hyperparameters, {' and '.join(OVERRIDABLE_FIELDS)}."
        yield _problem(name, rule, found, "Leave it out. To change the request itself, open a new issue.")
    elif name not in OVERRIDABLE_FIELDS and (similar := nearest(name, OVERRIDABLE_FIELDS, cutoff=0.75)):
        yield _problem(name, "A setting must have the name of the form's field.", found, f"Did you mean {similar}?")
    else:
        yield from _read_override_value(name, value, overrides)


def _read_override_value(name: str, value: str, overrides: dict[str, Scalar]) -> Iterator[Problem]:
    found = f"{name}={value}"
    try:
        scalar = parse_scalar(value)
    except ValueError as error:
        yield _problem(name, str(error), found, "Correct the value.")
        return
    rule = broken_rule(BaseRequest, name, scalar) if name in OVERRIDABLE_FIELDS else None
    if rule is not None:
        yield _problem(name, rule, found, "Correct the value.")
    else:
        overrides[name] = scalar


def _problem(name: str, rule: str, found: str, next_step: str) -> Problem:
    return invalid_field(brief(name), rule, brief(found), next_step)


def override_problems(request: TrainingRequest, overrides: Mapping[str, Scalar]) -> list[Problem]:
    """Return what the request's algorithm does not accept among overrides: unknown names, and text instead of a number."""
    known = hyperparameters(request.algorithm, request.task)
    if known is None:
        return []
    problems = []
    for name, value in overrides.items():
        found = f"{name}={value}"
        if name in OVERRIDABLE_FIELDS:
            continue
        if name not in known:
            similar = nearest(name, known)
            next_step = f"Did you mean {similar}?" if similar else f"Known settings: {', '.join(sorted(known))}."
            problems.append(_problem(name, f"{request.algorithm} must have a setting of this name.", found, next_step))
        elif known[name] == "number" and isinstance(value, str):
            rule = f"{name} must be a number, true, false or null."
            problems.append(_problem(name, rule, found, "Correct the value."))
    return problems


def with_overrides(request: TrainingRequest, overrides: Mapping[str, Scalar]) -> TrainingRequest:
    """Return the request for the next attempt.

    Raises
    ------
    InvalidInput
        ``invalid_override`` if the result is not a valid request, for example because of too many hyperparameters.
    """
    fields = {name: value for name, value in overrides.items() if name in OVERRIDABLE_FIELDS}
    added = {name: value for name, value in overrides.items() if name not in OVERRIDABLE_FIELDS}
    hyperparameters = {**request.hyperparameters, **added}
    values = {**dict(request), **fields, "hyperparameters": hyperparameters}
    try:
        return type(request).model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field, rule = ".".join(str(part) for part in first["loc"]), first["msg"]
        found = f"{len(hyperparameters)} hyperparameters" if field == "hyperparameters" else str(first["input"])
        if not field:  # fields that contradict each other, such as a timeout shorter than the search
            field, rule, _ = type(request).model_construct(**values).contradictions()[0]
            found = f"{field}: {values[field]}."
        raise InvalidInput(
            "invalid_override",
            rule=f"{rule[:1].upper()}{rule[1:].removesuffix('.')}.",
            found=brief(found),
            next_step="Change fewer settings, or other ones.",
            field=field,
        ) from None
