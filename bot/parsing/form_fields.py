"""The fields of the issue form, derived from the request type: label, kind, rules and what to write into each (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from actions.contracts.features import RequestedFeatures
from actions.contracts.request import BaseRequest, in_form_order
from actions.tasks.registry import tasks

NO_RESPONSE = "_No response_"
"""What GitHub posts for an empty field."""
NO_CHOICE = "None"
"""What GitHub posts for a dropdown without a choice."""
DERIVED = ("task",)
"""Fields that follow from others where a form does not ask for them."""
_LONG_TEXT = 2_000


def request_fields() -> dict[str, FieldInfo]:
    """Return the fields of all tasks' requests in the form's order; a shared field is the first task's."""
    requests = [task.request for task in tasks().values()]
    fields = {name: field for request in reversed(requests) for name, field in request.model_fields.items()}
    return {name: fields[name] for name in in_form_order(name for request in requests for name in request.model_fields)}


def label_of(field: str) -> str:
    """Return a field's heading in the form; for anything else (``form``, ``request``, ``payload``) the word itself."""
    info = request_fields().get(field)
    return (info and info.title) or field.capitalize()


def may_be_none(field: FieldInfo) -> bool:
    """Return whether a field may be empty."""
    return NoneType in get_args(field.annotation)


def plain_type(field: FieldInfo) -> Any:
    """Return the type of a field's values, apart from None."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    return kinds[0] if may_be_none(field) else field.annotation


def broken_rule(request: type[BaseRequest], field: str, value: object) -> str | None:
    """Return the rule of a request's field that a value of the right type breaks; None if the value is valid."""
    try:
        _adapter(request, field).validate_python(value, strict=True)
    except ValidationError as error:
        limits = _limits_rule(request.model_fields[field])
        return limits or error.errors(include_url=False, include_context=False)[0]["msg"] + "."
    return None


@cache
def _adapter(request: type[BaseRequest], field: str) -> TypeAdapter[Any]:
    info = request.model_fields[field]
    annotation: Any = Annotated[info.annotation, info]
    return TypeAdapter(annotation)


def _limits_rule(info: FieldInfo) -> str | None:
    limits = {name: value for item in info.metadata for name, value in _limits(item)}
    if "ge" in limits and "le" in limits:
        return f"It must be between {limits['ge']} and {limits['le']}."
    if "max_length" in limits and plain_type(info) is str:
        return f"It must have at most {limits['max_length']} characters."
    if "max_length" in limits:
        return f"There must be at most {limits['max_length']} of them."
    return None


def _limits(item: object) -> Iterator[tuple[str, Any]]:
    for name in ("ge", "le", "max_length"):
        value = getattr(item, name, None)
        if value is not None:
            yield name, value


def kind_of(field: FieldInfo) -> Literal["dropdown", "textarea", "input"]:
    """Return the form element for a field."""
    if get_origin(field.annotation) is Literal:
        return "dropdown"
    if get_origin(field.annotation) is dict or field.annotation is RequestedFeatures:
        return "textarea"
    longest = max((getattr(item, "max_length", 0) or 0 for item in field.metadata), default=0)
    return "textarea" if longest >= _LONG_TEXT else "input"
