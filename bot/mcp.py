"""The MCP server: every registered operation as a tool, made from the registry.

Nothing decides here in a person's stead: an operation answers ``approval_required`` unless its declaration says why it is
open to agents.
"""

from __future__ import annotations

import json
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
from mcp.server.mcpserver import Context as CallContext
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import ConfigDict

from actions.cli import DEFAULT_STORAGE
from actions.context import Context, Report
from actions.errors import InvalidInput, NotAllowed, OperationError, Problem
from actions.operation import Operation, operations
from actions.storage.folder import Storage
from bot.version import APP_OPERATIONS, version

MakeContext = Callable[[Report], Context]

_INSTRUCTIONS = """\
Modelyard trains, evaluates, judges and registers models. URIs are paths below the storage root. Results are JSON; an \
error is JSON with a stable reason, the rule, what was found and the next step. Tools that change what production uses \
answer approval_required: a person has to do that."""

_HEAVY = anyio.CapacityLimiter(1)
"""Heavy operations run one at a time: two trainings at once would only compete for the machine."""


class OperationTool(Tool):
    """One operation as an MCP tool: the registry's schemas, its errors as JSON, its progress as notifications."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    operation: Operation
    make_context: MakeContext

    async def run(self, arguments: dict[str, Any], context: CallContext[Any, Any], convert_result: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - the SDK's signature
        """Run the operation in a thread and return its result or error as the protocol defines them."""
        progress = _Progress(context)
        limiter = _HEAVY if self.operation.where == "runner" else None
        try:
            _gate(self.operation, arguments)
            result = await anyio.to_thread.run_sync(
                lambda: self.operation.call(arguments, self.make_context(progress)), limiter=limiter
            )
        except OperationError as error:
            return _failed(error.problem)
        except Exception as error:  # noqa: BLE001 - the outermost edge: the server goes on
            traceback.print_exc(file=sys.stderr)
            return _failed(_crashed(self.name, error))
        content = result.model_dump(mode="json")
        text = json.dumps(content, ensure_ascii=False)
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=content)


def _gate(operation: Operation, arguments: Mapping[str, Any]) -> None:
    if operation.open_to_agents:
        return
    next_step = "Leave it to the App, which records each training run itself."
    if operation.destructive:
        words = ["modelyard", "run", operation.name]
        for name, value in arguments.items():
            words += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        next_step = f"Ask a person to run, in the repository: {shlex.join(words)}"
    raise NotAllowed(
        "approval_required",
        rule=f"{operation.name} changes the registry or the history, so a person or the App must do it.",
        found="A call by an agent.",
        next_step=next_step,
    )


def _failed(problem: Problem) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=problem.model_dump_json())], is_error=True)


def _crashed(name: str, error: Exception) -> Problem:
    return Problem(
        kind="crash",
        reason="crashed",
        rule=f"{name} must end with a result or a known error.",
        found=f"{type(error).__name__}: {error}"[:2_000],
        next_step="See the traceback in the server's log.",
    )


class _Progress:
    """Progress notifications from a worker thread; their count only increases, as the protocol requires."""

    def __init__(self, call: CallContext[Any, Any]) -> None:
        self._call = call
        self._steps = 0
        self._step = ""
        self._last = -1.0

    def __call__(
        self, step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
    ) -> None:
        if step != self._step:
            self._steps, self._step = self._steps + 1, step
        counted = bool(total) and done is not None
        value = self._steps + (0.99 * min(max(done or 0, 0) / (total or 1), 1) if counted else 0)
        if value <= self._last:
            return
        self._last = value
        message = f"{step} {done}/{total}" if counted else step
        message += "".join(f" {name}={figure:.4g}" for name, figure in (metrics or {}).items())
        anyio.from_thread.run(self._call.report_progress, value, None, message)


# --- the server ------------------------------------------------------------------------------------------------------


def create_server(known: Mapping[str, Operation], make_context: MakeContext) -> MCPServer[Any]:
    """Return a server with these operations as tools."""
    tools: list[Tool] = [_tool(operation, make_context) for operation in known.values()]
    return MCPServer("modelyard", version=version(), instructions=_INSTRUCTIONS, tools=tools, log_level="WARNING")


def _tool(operation: Operation, make_context: MakeContext) -> OperationTool:
    output_schema = slim(operation.output_model.model_json_schema(mode="serialization"))
    return OperationTool(
        fn=operation.function,
        name=operation.name,
        description=operation.help.text,
        parameters=slim(operation.input_model.model_json_schema()),
        fn_metadata=FuncMetadata(arg_model=ArgModelBase, output_schema=output_schema),
        is_async=False,
        annotations=ToolAnnotations(
            read_only_hint=operation.read_only,
            destructive_hint=operation.destructive,
            idempotent_hint=operation.idempotent or operation.read_only,
            open_world_hint=operation.toolset in {"github_integration", "notification"},
        ),
        meta={"modelyard/toolset": operation.toolset, "modelyard/where": operation.where},
        operation=operation,
        make_context=make_context,
    )


def slim(schema: Any, *, names: bool = False) -> Any:
    """Return a JSON schema without the titles that Pydantic derives from names: they only cost tokens."""
    if isinstance(schema, list):
        return [slim(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: slim(value, names=not names and key in {"properties", "$defs"})
        for key, value in schema.items()
        if names or key != "title"
    }


def choose(known: Mapping[str, Operation], toolsets: Sequence[str]) -> dict[str, Operation]:
    """Return the operations of these toolsets; all of them if none is named.

    Raises
    ------
    InvalidInput
        With reason ``unknown_toolset``.
    """
    names = sorted({operation.toolset for operation in known.values()})
    for toolset in toolsets:
        if toolset not in names:
            raise InvalidInput(
                "unknown_toolset",
                rule="The toolset must exist.",
                found=toolset[:200],
                next_step=f"Choose from {', '.join(names)}.",
                field="toolset",
            )
    return {name: operation for name, operation in known.items() if not toolsets or operation.toolset in toolsets}


def local_contexts(storage_root: str | None, repository: str | None) -> MakeContext:
    """Return a factory of contexts on this machine: a storage root, a git checkout, and GitHub if configured."""
    import os

    from actions.contracts.channels import EnvironmentChannels
    from actions.history_management.local import LocalHistory
    from bot.github.lazy_issues import lazy_issues

    storage = Storage(Path(storage_root or os.environ.get("MODELYARD_STORAGE_ROOT") or DEFAULT_STORAGE).absolute())
    checkout = Path(repository or ".").absolute()

    def make(report: Report) -> Context:
        history = LocalHistory.at(checkout) if repository else LocalHistory.find(checkout)
        channels = EnvironmentChannels()
        return Context(storage=storage, history=history, issues=lazy_issues(), report=report, channels=channels)

    return make


def serve_stdio(*, storage_root: str | None, repository: str | None, toolsets: Sequence[str]) -> int:
    """Serve over stdin and stdout until the client disconnects; return the exit code."""
    try:
        known = choose(operations(*APP_OPERATIONS), toolsets)
    except InvalidInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    anyio.run(create_server(known, local_contexts(storage_root, repository)).run_stdio_async)
    return 0
