"""The help of the command line, taken from the registry, and Markdown summaries of results and errors."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from actions.contracts.stage import STAGES
from actions.errors import Problem
from actions.operation import Operation, operations
from actions.runtime.arguments import CALL_OPTIONS
from actions.text.markdown import code, inline, table

WIDTH = 100


def overview(program: str, more_modules: tuple[str, ...] = ()) -> str:
    """Return the help of the command itself: its usage, and every operation with its summary."""
    lines = [
        f"usage: {program} NAME [--key value ...] [--json TEXT|-]",
        "",
        "Run one operation on this machine. The result is JSON on stdout.",
        "",
        f"  {program} NAME --help      its parameters, and an example",
        f"  {program} NAME --json -    arguments as one JSON object from stdin",
        "",
        *_toolsets(operations(*more_modules)),
        f"The stages of a run ({', '.join(STAGES)}) take a work order in the environment variable MODELYARD_INPUT.",
        f"To run several in one process: {program} prepare train evaluate judge",
    ]
    return "\n".join(lines)


def _toolsets(known: Mapping[str, Operation]) -> list[str]:
    lines = []
    for toolset in sorted({operation.toolset for operation in known.values()}):
        lines.append(f"{toolset}:")
        members = [operation for operation in known.values() if operation.toolset == toolset]
        lines += [f"  {operation.name:<28} {operation.help.summary}" for operation in members]
        lines.append("")
    return lines


def operation_help(program: str, operation: Operation) -> str:
    """Return an operation's help: what it does, its parameters, the options of every call, and an example."""
    lines = [f"usage: {program} {operation.name} [--key value ...] [--json TEXT|-]", ""]
    lines.append("\n\n".join(_wrapped(paragraph) for paragraph in operation.help.text.split("\n\n")))
    schema = operation.input_model.model_json_schema()
    definitions = schema.get("$defs", {})
    required = set(schema.get("required", ()))
    lines += ["", "parameters:"] if schema.get("properties") else []
    for name, described in schema.get("properties", {}).items():
        default = "required" if name in required else f"default {json.dumps(described.get('default'))}"
        lines.append(f"  --{name} ({type_of(described, definitions)}; {default})")
        if described.get("description"):
            lines.append(_wrapped(described["description"], "      "))
    call_options = [line for name, line in CALL_OPTIONS.items() if name not in schema.get("properties", {})]
    lines += ["", "options of every call:", *call_options, "", "example:", f"  {_example(program, operation, schema)}"]
    return "\n".join(lines)


def type_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the type that a JSON schema describes, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        target = definitions.get(name, {})
        return type_of(target, definitions) if "enum" in target else f"{name}, a JSON object"
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if options := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(dict.fromkeys(type_of(option, definitions) for option in options))
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}), definitions)}"
    names = {"string": "text", "object": "JSON object", "null": "nothing", "boolean": "true or false"}
    kind = str(schema.get("type", "any JSON value"))
    return names.get(kind, kind)


def _example(program: str, operation: Operation, schema: Mapping[str, Any]) -> str:
    parts = [f"{program} {operation.name}"]
    for name in schema.get("required", ()):
        described = schema["properties"][name]
        examples = described.get("examples") or described.get("enum")
        value = examples[0] if examples else name.upper()
        text = value if isinstance(value, str) else json.dumps(value)
        parts.append(f"--{name} {quoted(text)}")
    return " ".join(parts)


def quoted(text: str) -> str:
    """Return a text as one shell word."""
    return shlex.quote(text)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH, initial_indent=indent, subsequent_indent=indent)


def summary(name: str, result: BaseModel) -> str:
    """Return a result as Markdown for a step summary: its ``summary_markdown()`` if it has one, or else its fields."""
    summary_markdown = getattr(result, "summary_markdown", None)
    if callable(summary_markdown):
        return str(summary_markdown())
    values = result.model_dump(mode="json")
    rows = [
        (inline(key.replace("_", " ")), _cell(value)) for key, value in values.items() if value not in (None, [], {})
    ]
    return f"### {inline(name)}\n\n{table(['', ''], rows)}"


def _cell(value: object) -> str:
    if isinstance(value, bool | int | float):
        return inline(value)
    if isinstance(value, str):
        return code(value, limit=300)
    return code(json.dumps(value, ensure_ascii=False), limit=500)


def error_summary(name: str, problem: Problem) -> str:
    """Return an error as Markdown for a step summary."""
    rows = [
        ("Reason", code(problem.reason)),
        ("Rule", inline(problem.rule)),
        ("Found", inline(problem.found)),
        ("Next", inline(problem.next_step)),
    ]
    if problem.field:
        rows.insert(1, ("Field", code(problem.field)))
    return f"### {inline(name)} failed\n\n{table(['', ''], rows)}"
