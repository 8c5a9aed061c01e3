"""Operations: typed functions offered by every entry point (command line, MCP server, documentation, ``/run``).

An operation's name, help and JSON schema come from its signature, annotations and numpydoc docstring. A parameter
annotated ``Context`` is filled in by the entry point and hidden from callers.
"""

from __future__ import annotations

import importlib
import inspect
import typing
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from actions.context import Context
from actions.contracts.stage import Stage
from actions.errors import InvalidInput
from actions.text.docstring import Docstring
from actions.text.suggestions import nearest
from actions.text.validation import invalid_argument

Where = Literal["app", "runner"]


class Result(BaseModel):
    """Base class of every operation's result: plain JSON values and URIs, never data frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Operation:
    """A registered operation, with everything that the entry points derive from its function."""

    name: str
    function: Callable[..., Result]
    where: Where
    stage: Stage | None
    read_only: bool
    destructive: bool
    idempotent: bool
    open_to_agents: str = ""
    """Why an agent may call it, in a sentence. Without a reason it is closed to agents."""

    @property
    def toolset(self) -> str:
        """The capability it belongs to: its package under ``actions``, or else ``runs``."""
        top, _, rest = self.function.__module__.partition(".")
        package, dot, _ = rest.partition(".")
        return package if top == "actions" and dot else "runs"

    @cached_property
    def hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self.function, include_extras=True)

    @cached_property
    def context_parameter(self) -> str | None:
        return next((name for name, hint in self.hints.items() if hint is Context), None)

    @cached_property
    def help(self) -> Docstring:
        return Docstring.parse(inspect.getdoc(self.function) or "")

    @cached_property
    def input_model(self) -> type[BaseModel]:
        """The parameters as a Pydantic model that refuses unknown names."""
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(self.function).parameters.values():
            if parameter.name == self.context_parameter:
                continue
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            description = self.help.parameters.get(parameter.name)
            fields[parameter.name] = (self.hints[parameter.name], Field(default, description=description))
        with warnings.catch_warnings():
            # A parameter such as ``schema`` may shadow a method of Pydantic's, which nothing here calls.
            warnings.filterwarnings("ignore", message="Field name .* shadows an attribute")
            return create_model(self.name, __config__=ConfigDict(extra="forbid"), __doc__=self.help.text, **fields)

    @property
    def output_model(self) -> type[Result]:
        return typing.cast("type[Result]", self.hints["return"])

    def validated(self, arguments: Mapping[str, Any]) -> BaseModel:
        """Return the arguments as an instance of ``input_model``.

        Raises
        ------
        InvalidInput
            ``invalid_argument``, ``unknown_argument``.
        """
        try:
            return self.input_model.model_validate(dict(arguments))
        except ValidationError as error:
            raise invalid_argument(error, known=self.input_model.model_fields) from None

    def call(self, arguments: Mapping[str, Any], context: Context) -> Result:
        """Validate the arguments and run the operation.

        Raises
        ------
        InvalidInput
            ``invalid_argument``, ``unknown_argument``.
        OperationError
            What the operation itself raises; see ``help.raises``.
        """
        values = self.validated(arguments)
        keywords = {name: getattr(values, name) for name in self.input_model.model_fields}
        if self.context_parameter:
            keywords[self.context_parameter] = context
        return self.function(**keywords)


# --- the registry ----------------------------------------------------------------------------------------------------

_REGISTRY: dict[str, Operation] = {}

MODULES = (
    "actions.data_preparation.load",
    "actions.data_preparation.validate",
    "actions.data_preparation.split",
    "actions.data_preparation.preprocess",
    "actions.data_preparation.features",
    "actions.data_preparation.save",
    "actions.ml_training.train",
    "actions.ml_training.tune",
    "actions.ml_training.training_metrics",
    "actions.ml_training.save",
    "actions.ml_evaluation.load",
    "actions.ml_evaluation.evaluate",
    "actions.ml_evaluation.compare",
    "actions.ml_evaluation.save",
    "actions.ml_evaluation.report",
    "actions.model_registry.registry",
    "actions.history_management.history",
    "actions.github_integration.issues",
    "actions.notification.slack",
    "actions.notification.email",
    "actions.notification.templates",
)
"""The modules that declare operations. They import heavy libraries inside functions, which keeps listing cheap."""


_F = typing.TypeVar("_F", bound=Callable[..., Result])


def operation(
    *,
    where: Where,
    stage: Stage | None = None,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
    open_to_agents: str = "",
) -> Callable[[_F], _F]:
    """Register a typed function as an operation under the function's name.

    ``open_to_agents`` says in a sentence why an agent may call it. An operation without that reason is closed to agents,
    so that one that is forgotten cannot let them in.
    """
    if destructive and open_to_agents:
        raise ValueError("an operation that changes what production relies on must be closed to agents")

    def register(function: _F) -> _F:
        name = function.__name__
        known = _REGISTRY.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise ValueError(f"operation {name} is already declared in {known.function.__module__}")
        _REGISTRY[name] = Operation(name, function, where, stage, read_only, destructive, idempotent, open_to_agents)
        return function

    return register


def operations(*more_modules: str) -> dict[str, Operation]:
    """Return all operations sorted by name, including those of ``more_modules`` (the App declares some)."""
    for module in (*MODULES, *more_modules):
        importlib.import_module(module)
    return dict(sorted(_REGISTRY.items()))


def find_operation(name: str, *more_modules: str) -> Operation:
    """Return one operation, importing modules only until it is found.

    Raises
    ------
    InvalidInput
        ``unknown_operation``; the next step suggests the nearest name.
    """
    for module in (*MODULES, *more_modules):
        if name in _REGISTRY:
            break
        importlib.import_module(module)
    if name in _REGISTRY:
        return _REGISTRY[name]
    match = nearest(name, _REGISTRY)
    raise InvalidInput(
        "unknown_operation",
        rule="The name must be that of an operation.",
        found=f"{name[:200]}.",
        next_step=f"Did you mean {match}?" if match else "List the names with `modelyard operations`.",
    )
