"""Reads the arguments of one call from the environment, from JSON and from ``--key value`` options.

pydantic-settings' ``CliApp`` was tried instead and rejected; docs/decisions.md has the reasons.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from actions.errors import InvalidInput
from actions.text.suggestions import did_you_mean
from actions.text.validation import unknown_argument

INPUT_VARIABLE = "MODELYARD_INPUT"

CALL_OPTIONS = {
    "json": "  --json TEXT|-       all arguments as one JSON object; - reads it from stdin",
    "storage_root": """\
  --storage-root DIR  where data sets, models and evaluations are stored (default: $MODELYARD_STORAGE_ROOT,
                      or else .modelyard/storage)""",
    "data_root": "  --data-root DIR     another folder that data may be read from; can be repeated",
    "repository": """\
  --repository DIR    the git checkout that contains training_history/ (default: the current folder's)""",
}
"""The options of every call, with their help. A parameter of the operation with the same name takes precedence."""


@dataclass(frozen=True)
class Arguments:
    """What one call was given: decoded JSON values, and options as text, which override them."""

    values: dict[str, Any]
    options: dict[str, list[str]]

    @classmethod
    def read(cls, tokens: Sequence[str]) -> Arguments:
        """Read ``--key value``, ``--key=value`` and ``--key``, plus the JSON of ``MODELYARD_INPUT`` and ``--json``.

        The environment is overridden by ``--json``, and both by the other options.

        Raises
        ------
        InvalidInput
            ``unexpected_argument``, ``invalid_json``.
        """
        options = _options(tokens)
        values = _json_object(os.environ.get(INPUT_VARIABLE, ""), INPUT_VARIABLE)
        for text in options.pop("json", []):
            values |= _json_object(sys.stdin.read() if text == "-" else text, "--json")
        return cls(values, options)

    def for_parameters(self, hints: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments for an operation's parameters.

        Parameters
        ----------
        hints
            The type of each parameter, by name. It decides whether ``1.10`` is a number or a text.

        Raises
        ------
        InvalidInput
            ``unknown_argument``.
        """
        arguments = dict(self.values)
        for key, texts in self.options.items():
            if key in hints:
                arguments[key] = _decode(texts[0], hints[key]) if len(texts) == 1 else [_json_or_text(t) for t in texts]
            elif key not in CALL_OPTIONS:
                raise unknown_argument(f"--{key}", did_you_mean(key, {*hints, *CALL_OPTIONS}, prefix="--"))
        return arguments

    def for_model(self) -> dict[str, Any]:
        """Return all arguments, each option decoded as JSON if it can be."""
        return self.values | {key: _json_or_text(texts[-1]) for key, texts in self.options.items()}

    def call_options(self, key: str, parameters: Collection[str]) -> list[str]:
        """Return the values of an option of the call; none if the operation has a parameter of that name."""
        return [] if key in parameters else self.options.get(key, [])


def _options(tokens: Sequence[str]) -> dict[str, list[str]]:
    options: dict[str, list[str]] = {}
    rest = list(tokens)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or word == "--":
            raise InvalidInput(
                "unexpected_argument",
                rule="Arguments must be written as --key value.",
                found=f"{word}.",
                next_step="Put the parameter's name before its value; --help lists the parameters.",
            )
        key, equals, value = word[2:].partition("=")
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        options.setdefault(key.replace("-", "_"), []).append(value)
    return options


def _json_object(text: str, source: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        value = _parse(text)
    except (ValueError, RecursionError) as error:
        found = f"{type(error).__name__}: {error}"
    else:
        if isinstance(value, dict):
            return value
        found = f"a JSON {type(value).__name__}"
    raise InvalidInput(
        "invalid_json",
        rule=f"{source} must be one JSON object with a member for each argument.",
        found=f"{found[:300]}.",
        next_step='Write it like {"name": "value"}.',
    )


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    # Python's parser accepts NaN and Infinity, which no other JSON parser does.
    raise ValueError(f"{name} is not a JSON value")


def _json_or_text(text: str) -> Any:
    try:
        return _parse(text)
    except (ValueError, RecursionError):
        return text


def _decode(text: str, hint: Any) -> Any:
    """Return the JSON value of a text if the parameter accepts it, or else the text: ``--name 1.10`` may be a string."""
    value = _json_or_text(text)
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    return next((candidate for candidate in (value, text) if _accepts(adapter, candidate)), value)


def _accepts(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True
