"""One operation, every door: the ``@operation`` registry, its context, results and errors.

An operation is a typed function. Its name, help and JSON schema come from its signature, annotations and numpydoc
docstring; the CLI (``actions.cli``), the MCP server (``bot.mcp``) and the documentation are made from what is
registered here. Parameters annotated ``Context`` are handed in and appear at no door.
"""

from __future__ import annotations

import importlib
import inspect
import re
import typing
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from actions.contracts.stage import Stage
from actions.errors import InvalidInput, Unavailable
from actions.storage.folder import Storage

if TYPE_CHECKING:
    from actions.contracts.channels import Channels

Where = Literal["app", "runner"]


# --- what operations are given and what they return ------------------------------------------------------------------


class Result(BaseModel):
    """Base of every operation's result: plain JSON values and URIs, never data frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class History(Protocol):
    """The files of one repository's history branch, as the operations see them."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file of the branch's head, or None where there is none."""

    def list(self, folder: str) -> list[str]:
        """Return the paths of the files directly in a folder, sorted; [] where there is none."""

    def commit(self, message: str, change: Callable[[Reader], Mapping[str, bytes | None]]) -> str:
        """Commit what ``change`` makes of the present files (None removes one) and return the commit's SHA.

        ``change`` must be a pure function of what it reads: it is computed again when the branch has moved.
        Returns the head's SHA where nothing changes.
        """


class Reader(Protocol):
    """Gives the content of a file of the history branch, or None where there is none."""

    def __call__(self, path: str, /) -> bytes | None: ...


class Issues(Protocol):
    """The part of the hub that light operations use on issues."""

    def post_comment(self, repository: str, issue: int, body: str, marker: str) -> str:
        """Create the comment that carries ``marker``, or update it; return its URL."""


class Report(Protocol):
    """Receives the progress of long work; ``done`` of ``total`` where both are known."""

    def __call__(
        self, step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
    ) -> None: ...


def _silent(
    step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Context:
    """What the door hands to an operation: where files are, whom to tell, how to reach git and the hub."""

    storage: Storage
    history: History | None = None
    issues: Issues | None = None
    report: Report = _silent
    data_roots: tuple[str, ...] = ()
    channels: Channels | None = None

    def need_history(self) -> History:
        if self.history is None:
            raise Unavailable(
                "history_unavailable",
                rule="This operation reads or writes training_history/ in a git repository.",
                found="No repository was given.",
                next_step="Run it inside a git checkout or name one with --repository.",
            )
        return self.history

    def need_issues(self) -> Issues:
        if self.issues is None:
            raise Unavailable(
                "hub_unavailable",
                rule="This operation talks to GitHub.",
                found="No credentials were given.",
                next_step="Set MODELYARD_APP_ID and MODELYARD_PRIVATE_KEY_PATH, or a MODELYARD_GITHUB_TOKEN.",
            )
        return self.issues


# --- the registry ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """A registered operation and everything that the doors need to know of it."""

    name: str
    function: Callable[..., Result]
    where: Where
    stage: Stage | None
    read_only: bool
    destructive: bool
    idempotent: bool
    _hints: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def toolset(self) -> str:
        """The capability that it belongs to: its package under ``actions``, else ``runs``."""
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
    def help(self) -> Help:
        return Help.of(inspect.getdoc(self.function) or "")

    @cached_property
    def input_model(self) -> type[BaseModel]:
        """The parameters as a Pydantic model; unknown names are refused."""
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(self.function).parameters.values():
            if parameter.name == self.context_parameter:
                continue
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            description = self.help.parameters.get(parameter.name)
            fields[parameter.name] = (self.hints[parameter.name], Field(default, description=description))
        with warnings.catch_warnings():
            # A parameter may have the name of a method of Pydantic's, such as ``schema``: nothing here calls that.
            warnings.filterwarnings("ignore", message="Field name .* shadows an attribute")
            return create_model(self.name, __config__=ConfigDict(extra="forbid"), __doc__=self.help.text, **fields)

    @property
    def output_model(self) -> type[Result]:
        return typing.cast("type[Result]", self.hints["return"])

    def validated(self, arguments: Mapping[str, Any]) -> BaseModel:
        """Return the arguments as values.

        Raises
        ------
        InvalidInput
            With reason ``invalid_argument`` where an argument is missing, unknown or of the wrong kind.
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
            With reason ``invalid_argument`` where an argument is missing, unknown or of the wrong kind.
        OperationError
            Whatever the operation raises.
        """
        values = self.validated(arguments)
        keywords = {name: getattr(values, name) for name in self.input_model.model_fields}
        if self.context_parameter:
            keywords[self.context_parameter] = context
        return self.function(**keywords)


@dataclass(frozen=True)
class Help:
    """A numpydoc docstring, taken apart."""

    summary: str
    text: str
    parameters: dict[str, str]

    @classmethod
    def of(cls, docstring: str) -> Help:
        from docstring_parser import parse
        from docstring_parser.common import DocstringStyle

        parsed = parse(docstring, style=DocstringStyle.NUMPYDOC)
        text = "\n\n".join(part for part in (parsed.short_description, parsed.long_description) if part)
        parameters = {
            name.strip(): re.sub(r"\s+", " ", item.description or "").strip()
            for item in parsed.params
            for name in item.arg_name.split(",")
        }
        return cls(summary=parsed.short_description or "", text=text, parameters=parameters)


def invalid_argument(error: ValidationError, *, known: Mapping[str, Any]) -> InvalidInput:
    """Turn the first thing that Pydantic found into the one error tree; an unknown name gets the nearest known one."""
    import difflib

    errors = error.errors(include_url=False, include_context=False)
    # A misspelt name is also a missing one: the first of the two helps.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    name = ".".join(str(part) for part in first["loc"]) or "(arguments)"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}?" if near else "Known: " + ", ".join(sorted(known)) + "."
        return InvalidInput(
            "unknown_argument", rule="Only declared arguments are taken.", found=name, next_step=hint, field=name
        )
    found = "nothing" if first["type"] == "missing" else repr(first.get("input"))[:200]
    return InvalidInput(
        "invalid_argument", rule=f"{name}: {first['msg']}.", found=f"{found}.", next_step="Correct it.", field=name
    )


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
"""The modules that declare operations. They import heavy libraries inside functions, so that listing stays cheap."""


_F = typing.TypeVar("_F", bound=Callable[..., Result])


def operation(
    *,
    where: Where,
    stage: Stage | None = None,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
) -> Callable[[_F], _F]:
    """Register a typed function as an operation under its own name."""

    def register(function: _F) -> _F:
        name = function.__name__
        known = _REGISTRY.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise ValueError(f"operation {name} is declared in {known.function.__module__} already")
        _REGISTRY[name] = Operation(name, function, where, stage, read_only, destructive, idempotent)
        return function

    return register


def operations(*more_modules: str) -> dict[str, Operation]:
    """Return all operations by name, sorted; ``more_modules`` are imported as well (the App declares some)."""
    for module in (*MODULES, *more_modules):
        importlib.import_module(module)
    return dict(sorted(_REGISTRY.items()))


def find_operation(name: str, *more_modules: str) -> Operation:
    """Return one operation; only as many modules are imported as it takes to meet it.

    Raises
    ------
    InvalidInput
        With reason ``unknown_operation``; the next step names the nearest one.
    """
    for module in (*MODULES, *more_modules):
        if name in _REGISTRY:
            break
        importlib.import_module(module)
    if name in _REGISTRY:
        return _REGISTRY[name]
    import difflib

    near = difflib.get_close_matches(name, _REGISTRY, n=1)
    raise InvalidInput(
        "unknown_operation",
        rule="An operation is called by its name.",
        found=name[:200],
        next_step=f"Did you mean {near[0]}?" if near else "`modelyard operations` lists the names.",
    )
