"""The MCP door, driven by the real client: in memory, and over stdio as agents start it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent

from actions.errors import InvalidInput
from actions.operation import operations
from bot.mcp import choose, create_server, local_contexts, slim
from tests.support.odd_operations import ODD
from tests.support.records import RUN
from tests.support.repositories import commits, repository

ROOT = Path(__file__).parents[2]
KNOWN = operations("bot.operations")
WINE = {"name": "wine", "run": RUN, "attempt": 1, "uri": "m.skops", "sha256": "d" * 64}


def error_of(answer: CallToolResult) -> dict[str, Any]:
    assert answer.is_error
    content = answer.content[0]
    assert isinstance(content, TextContent)
    body: dict[str, Any] = json.loads(content.text)
    return body


def in_memory(folder: Path, *calls: tuple[str, dict[str, Any]]) -> list[CallToolResult]:
    """Call tools of a server in this process, one after the other."""

    async def talk() -> list[CallToolResult]:
        server = create_server({**KNOWN, **ODD}, local_contexts(str(folder), str(folder)))
        async with Client(server) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(talk)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return repository(tmp_path / "project")


def test_every_operation_is_a_tool_with_its_own_schema_and_hints(project: Path) -> None:
    async def listed() -> list[Any]:
        async with Client(create_server(KNOWN, local_contexts(None, str(project)))) as client:
            return list((await client.list_tools()).tools)

    tools = {tool.name: tool for tool in anyio.run(listed)}
    assert list(tools) == list(KNOWN)
    for name, known in KNOWN.items():
        tool = tools[name]
        assert tool.description == known.help.text
        assert set(tool.input_schema["properties"]) == set(known.input_model.model_fields)
        assert tool.output_schema["type"] == "object"
        assert tool.annotations.read_only_hint == known.read_only
        assert tool.annotations.destructive_hint == known.destructive
        assert tool.annotations.idempotent_hint == (known.idempotent or known.read_only)


def test_a_result_is_structured_and_the_change_is_made(project: Path) -> None:
    split, found = in_memory(
        project,
        ("split_dataset", {"data": "sklearn://iris", "destination": "parts"}),
        ("load_dataset", {"data": "parts/test.parquet"}),
    )
    assert split.structured_content is not None
    assert found.structured_content is not None
    assert found.structured_content["rows"] == split.structured_content["test"]["rows"] == 30


def test_an_error_is_the_json_of_its_body(project: Path) -> None:
    unknown, missing = in_memory(
        project, ("get_model_version", {"nme": "wine"}), ("get_model_version", {"name": "wine"})
    )
    assert error_of(unknown)["reason"] == "unknown_argument"
    assert error_of(unknown)["next_step"] == "Did you mean name?"
    assert error_of(missing)["reason"] == "model_not_found"


def test_a_crash_is_reported_and_the_server_continues(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crashed, counted = in_memory(project, ("stumble", {}), ("count", {"to": 2}))
    assert error_of(crashed)["reason"] == "crashed"
    assert "RuntimeError: no such luck" in capsys.readouterr().err
    assert counted.structured_content == {"reached": 2}


def test_nothing_is_promoted_rolled_back_or_registered_by_an_agent(project: Path) -> None:
    promoted, rolled_back, registered = in_memory(
        project,
        ("set_model_alias", {"name": "wine", "alias": "champion", "version": 1}),
        ("rollback_model", {"name": "wine; rm -rf /"}),
        ("register_model", WINE),
    )
    error = error_of(promoted)
    assert (error["kind"], error["reason"]) == ("not_allowed", "approval_required")
    assert error["next_step"].endswith("modelyard run set_model_alias --name wine --alias champion --version 1")
    assert error_of(rolled_back)["next_step"].endswith("--name 'wine; rm -rf /'")
    assert error_of(registered)["next_step"] == "Leave it to the App, which records each training run itself."
    assert commits(project) == 1


def test_progress_is_reported_while_it_works_and_only_increases(project: Path) -> None:
    told: list[tuple[float, str]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message or ""))

    async def talk() -> None:
        async with Client(create_server(ODD, local_contexts(str(project), None))) as client:
            await client.call_tool("count", {"to": 3}, progress_callback=on_progress)

    anyio.run(talk)
    assert [message for _, message in told] == [
        "counting 1/3 loss=1", "counting 2/3 loss=0.5", "counting 3/3 loss=0.3333", "resting",
    ]  # fmt: skip
    assert [value for value, _ in told] == sorted({value for value, _ in told})


def test_over_stdio_an_agent_trains_nothing_but_reads_data(project: Path, tmp_path: Path) -> None:
    async def talk() -> tuple[list[str], CallToolResult, CallToolResult]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        arguments = [
            "-m",
            "bot.cli",
            "mcp",
            "--local",
            "--storage-root",
            str(tmp_path),
            "--toolset",
            "data_preparation",
        ]
        server = StdioServerParameters(
            command=sys.executable, args=[*arguments, "--toolset", "model_registry"], env=environment, cwd=project
        )
        with anyio.fail_after(60):
            async with Client(stdio_client(server)) as client:
                tools = [tool.name for tool in (await client.list_tools()).tools]
                data = await client.call_tool("load_dataset", {"data": "sklearn://wine"})
                return tools, data, await client.call_tool("register_model", WINE)

    tools, data, refused = anyio.run(talk)
    assert "load_dataset" in tools
    assert "post_issue_comment" not in tools
    assert data.structured_content is not None
    assert data.structured_content["rows"] == 178
    assert error_of(refused)["reason"] == "approval_required"
    assert commits(project) == 1


def test_what_an_operation_prints_stays_out_of_the_protocol(project: Path) -> None:
    async def talk() -> CallToolResult:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "tests.support.odd_operations"], env=environment, cwd=project
        )
        with anyio.fail_after(60):
            async with Client(stdio_client(server)) as client:
                return await client.call_tool("count", {"to": 2})

    assert anyio.run(talk).structured_content == {"reached": 2}


def test_an_unknown_toolset_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput) as error:
        choose(KNOWN, ["model_trainig"])
    assert error.value.problem.reason == "unknown_toolset"
    assert "model_registry" in error.value.problem.next_step


def test_titles_that_only_repeat_names_are_left_out_of_schemas() -> None:
    schema = {
        "title": "X",
        "properties": {"title": {"title": "Title", "type": "string"}},
        "$defs": {"title": {"title": "T"}},
    }
    assert slim(schema) == {"properties": {"title": {"type": "string"}}, "$defs": {"title": {}}}


def test_the_tool_list_stays_small_enough_for_an_agent() -> None:
    async def listed() -> list[Any]:
        async with Client(create_server(KNOWN, local_contexts(None, None))) as client:
            return (await client.list_tools()).tools

    tools = anyio.run(listed)
    # What a client shows to its model, and what it holds a result against: those of evaluations have many parts.
    assert sum(len(json.dumps([tool.description, tool.input_schema])) for tool in tools) < 2_750 * len(tools)
    assert sum(len(tool.model_dump_json()) for tool in tools) < 4_250 * len(tools)
