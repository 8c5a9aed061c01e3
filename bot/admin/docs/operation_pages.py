"""One documentation page per operation, generated from the registry by ``make generate`` (pure).

Everything comes from the signature, docstring and source, so that a page cannot describe something that does not exist.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from doctest import DocTestParser, Example
from typing import Any

from actions.contracts.channels import ChannelError
from actions.errors import Conflict, Interrupted, InvalidInput, NotAllowed, NotFound, OperationError, Unavailable
from actions.operation import Operation, operations
from actions.runtime import cli_help as usage
from actions.text.markdown import code, table
from bot.events.commands.run import COMMAND, not_by_run, where_it_runs
from bot.parsing.scalars import format_argument
from bot.version import APP_OPERATIONS

FOLDER = "docs/operations"
INDEX = "README.md"
_MADE = "Written by `make generate`: change the operation, not this page."
_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "`{}`",
    "format": "{}",
}


def pages() -> dict[str, str]:
    """Return every page by the name of its file."""
    known = operations(*APP_OPERATIONS)
    meanings = {
        reason.code: reason.meaning
        for operation in known.values()
        for reason in operation.help.raises
        if reason.meaning
    }
    return {INDEX: _index(known)} | {f"{name}.md": _page(operation, meanings) for name, operation in known.items()}


def _index(known: Mapping[str, Operation]) -> str:
    lines = [
        "# Operations",
        "",
        f"Each is one typed function, which can be called on the command line, with `/run` on an issue, or as an MCP tool. {_MADE}",
        "",
    ]
    for toolset in sorted({operation.toolset for operation in known.values()}):
        operations = [operation for operation in known.values() if operation.toolset == toolset]
        rows = [(f"[`{each.name}`]({each.name}.md)", each.where, _prose(each.help.summary)) for each in operations]
        lines += [f"## {toolset}", "", table(["Operation", "Where", "What it does"], rows), ""]
    return "\n".join(lines)


def _page(operation: Operation, meanings: Mapping[str, str]) -> str:
    asked = operation.input_model.model_json_schema()
    given = operation.output_model.model_json_schema(mode="serialization")
    types = asked.get("$defs", {}) | given.get("$defs", {})
    parts = [
        f"# {operation.name}",
        _prose(operation.help.text),
        table(["", ""], _facts(operation)),
        "## Parameters",
        _parameters(asked, types) or "None.",
        "## Result",
        f"`{operation.output_model.__name__}`: {_prose(inspect.getdoc(operation.output_model) or '')}",
        _members(given, types),
        *_types(types),
        "## Errors",
        _errors(operation, meanings),
        "## Example",
        f"```pycon\n{_example(operation)}\n```",
        "## How to call it",
        *_calls(operation),
        f"[All operations]({INDEX}). {_MADE}",
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _facts(operation: Operation) -> Iterator[tuple[str, str]]:
    yield "Capability", f"`{operation.toolset}`"
    yield "Runs", "on a runner" if operation.where == "runner" else "in the App, or wherever it is called"
    if operation.read_only:
        yield "Changes", "nothing"
    elif operation.destructive:
        yield "Changes", "what production relies on, so a person decides"
    else:
        again = "; repeating the same call changes nothing more" if operation.idempotent else ""
        yield "Changes", f"writes{again}"
    if where_it_runs(operation) != "nowhere":
        least = COMMAND.permission
        yield (
            "Permission",
            f"`/run` requires {least} permission, unless `commands` in `.github/modelyard.yml` says otherwise",
        )
    else:
        yield "Permission", "a checkout and the credentials that it needs; not available through `/run`"


# --- parameters, result, errors --------------------------------------------------------------------------------------


def _parameters(schema: Mapping[str, Any], types: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (
            f"`{name}`",
            _cell(usage.type_of(described, types)),
            "required" if name in required else code(json.dumps(described.get("default"))),
            _cell(_bounds(described)),
            _cell(_prose(described.get("description", ""))),
        )
        for name, described in schema.get("properties", {}).items()
    ]
    return table(["Name", "Type", "Default", "Bounds", "Meaning"], rows)


def _members(schema: Mapping[str, Any], types: Mapping[str, Any]) -> str:
    rows = [
        (f"`{name}`", _cell(usage.type_of(described, types)), _cell(_prose(described.get("description", ""))))
        for name, described in schema.get("properties", {}).items()
    ]
    return table(["Name", "Type", "Meaning"], rows)


def _types(types: Mapping[str, Any]) -> Iterator[str]:
    """Give the objects that parameters and result are made of."""
    for name, described in sorted(types.items()):
        if described.get("properties"):
            yield f"### {name}"
            yield _prose(described.get("description", "").partition("\n\n")[0])
            yield _members(described, types)


def _bounds(schema: Mapping[str, Any]) -> str:
    found = [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    found = ["not empty" if each.startswith("at least 1 ") else each for each in found]
    for option in schema.get("anyOf", ()):
        found += [each for each in (_bounds(option),) if each]
    return ", ".join(dict.fromkeys(found))


_KINDS = {
    error.__name__: error.kind
    for error in (
        ChannelError, Conflict, Interrupted, InvalidInput, NotAllowed, NotFound, OperationError, Unavailable,
    )
}  # fmt: skip


def _errors(operation: Operation, meanings: Mapping[str, str]) -> str:
    """Return the table of reason codes; a code that the operation only lists has the meaning that another one gives."""
    rows = [
        ("`invalid_argument`", "invalid_input", "An argument is missing, has the wrong type or is out of bounds."),
        ("`unknown_argument`", "invalid_input", "There is no parameter of that name."),
    ]
    rows += [
        (f"`{reason.code}`", _KINDS[reason.error], _cell(_sentence(reason.meaning or meanings[reason.code])))
        for reason in operation.help.raises
        if reason.code not in {"invalid_argument", "unknown_argument"}
    ]
    return table(["Reason", "Kind", "Meaning"], rows)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- how to call it --------------------------------------------------------------------------------------------------


def _example(operation: Operation) -> str:
    examples = DocTestParser().get_examples(inspect.getdoc(operation.function) or "")
    return "\n".join(line for example in examples for line in _shown(example))


def _shown(example: Example) -> Iterator[str]:
    for number, line in enumerate(example.source.splitlines()):
        yield f"{'...' if number else '>>>'} {line}".rstrip()
    yield from example.want.splitlines()


def _calls(operation: Operation) -> Iterator[str]:
    arguments = example_arguments(operation)
    words = " ".join(f"--{name} {usage.quoted(_text(value))}" for name, value in arguments.items())
    yield f"```sh\nmodelyard run {operation.name} {words}".rstrip() + "\n```"
    if where_it_runs(operation) == "nowhere":
        yield f"On an issue: not available through `/run`. {not_by_run(operation).problem.next_step}"
    else:
        yield f"On an issue:\n\n```text\n{run_line(operation, arguments)}\n```"
    call = {"name": operation.name, "arguments": arguments}
    yield f"As an MCP tool:\n\n```json\n{json.dumps(call, ensure_ascii=False, indent=2)}\n```"
    if operation.destructive:
        yield "Over MCP the answer is `approval_required`, with the command for a person to run."


def run_line(operation: Operation, arguments: Mapping[str, Any]) -> str:
    """Return the comment that runs an operation with these arguments."""
    return " ".join(
        [f"/run {operation.name}", *(f"{name}={format_argument(value)}" for name, value in arguments.items())]
    )


def example_arguments(operation: Operation) -> dict[str, Any]:
    """Return the arguments of the example's last call of the operation; needed ones that it computes are in capitals."""
    source = "\n".join(
        example.source for example in DocTestParser().get_examples(inspect.getdoc(operation.function) or "")
    )
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == operation.name
    ]
    names = list(inspect.signature(operation.function).parameters)
    found: dict[str, Any] = {}
    for call in calls[-1:]:
        pairs = [*zip(names, call.args, strict=False), *((word.arg, word.value) for word in call.keywords if word.arg)]
        found = {str(name): value for name, node in pairs for value in _literals(node)}
    return {
        name: found.get(name, name.upper())
        for name, field in operation.input_model.model_fields.items()
        if name in found or field.is_required()
    }


def _literals(node: ast.expr) -> list[Any]:
    try:
        return [ast.literal_eval(node)]
    except ValueError:
        return []


# --- text ------------------------------------------------------------------------------------------------------------


def _prose(text: str) -> str:
    """Return a docstring's text as Markdown: its literals have two backticks, its blocks follow two colons."""
    return re.sub(r"::$", ":", text.replace("``", "`"), flags=re.MULTILINE)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
