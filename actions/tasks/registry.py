"""The tasks, found by the modules of this package, and requests read as the type that their task declares."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Annotated, Any, Union, cast

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from actions.contracts.request import BaseRequest
from actions.tasks.task import Task

_PACKAGE = "actions.tasks"


@cache
def tasks() -> dict[str, Task[Any]]:
    """Return every task by name. A module of this package declares one as ``TASK``; importing them is cheap."""
    folder = importlib.import_module(_PACKAGE).__path__
    modules = [importlib.import_module(f"{_PACKAGE}.{found.name}") for found in pkgutil.iter_modules(folder)]
    return {module.TASK.name: module.TASK for module in modules if hasattr(module, "TASK")}


def task_of(request: BaseRequest) -> Task[Any]:
    """Return the task of a request."""
    return tasks()[request.task]


def parse_request(value: object) -> BaseRequest:
    """Read a request as the type that its task declares.

    Raises
    ------
    pydantic.ValidationError
        Where the task is unknown, or the request breaks the type's rules.
    """
    if isinstance(value, BaseRequest):
        return value
    if not isinstance(value, dict):
        raise _invalid("dict_type", (), value)
    name = value.get("task")
    if "task" not in value:
        raise _invalid("missing", ("task",), value)
    if not isinstance(name, str) or name not in tasks():
        raise _invalid("literal_error", ("task",), name, expected=" or ".join(repr(task) for task in tasks()))
    return cast("BaseRequest", tasks()[name].request.model_validate(value))


def _invalid(kind: str, place: tuple[str, ...], value: object, **context: str) -> ValidationError:
    return ValidationError.from_exception_data(
        "TrainingRequest", [{"type": kind, "loc": place, "input": value, "ctx": context}]
    )


class _UnionSchema:
    """Describes the field as the union of all tasks' requests, discriminated by ``task``."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        members = tuple(task.request for task in tasks().values())
        union: Any = Annotated[Union[members], Field(discriminator="task")]  # noqa: UP007 - known only at run time
        return handler(TypeAdapter(union).core_schema)


TrainingRequest = Annotated[SerializeAsAny[BaseRequest], BeforeValidator(parse_request), _UnionSchema()]
"""A request of any task. The tasks are looked up when a request is read, so a further one needs no change here."""

RecordedRequest = Annotated[
    SerializeAsAny[BaseRequest],
    BeforeValidator(parse_request),
    WithJsonSchema({"type": "object", "required": ["task"], "description": "a request, as parse_issue describes it"}),
]
"""A request inside a record: validated like any other, but described once, so that schemas do not repeat every task."""
