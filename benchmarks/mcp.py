"""`modelyard mcp --local`: how soon it answers, how much it says of its tools, how fast a light one is called.

A client of the official SDK talks to the real process over stdio, one call after another.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from mcp import ClientSession, StdioServerParameters, stdio_client

from actions.tasks.classification import ClassificationRequest
from benchmarks.machine import ROOT
from benchmarks.report import Cell, Outcome, Table, median, percentile
from bot.parsing.form import form_body

STARTS = 3
CALLS = 300
TOOL = "parse_issue"


def run() -> Outcome:
    """Start the server a few times, then call one tool many times."""
    with tempfile.TemporaryDirectory(prefix="modelyard-mcp-") as folder:
        return anyio.run(_outcome, Path(folder))


async def _outcome(folder: Path) -> Outcome:
    sessions = [await _session(folder, calls=0) for _ in range(STARTS - 1)]
    sessions.append(await _session(folder, calls=CALLS))
    figures = sessions[-1]
    took = figures.took
    rows: list[tuple[Cell, ...]] = [
        (f"start to `initialize` answered (median of {STARTS})", median([one.started for one in sessions]), "s"),
        ("first tools/list", round(figures.listed * 1000, 1), "ms"),
        ("tools", figures.tools, ""),
        ("tools/list as JSON", figures.size, "bytes"),
        ("of this output schemas", figures.output_schemas, "bytes"),
        (f"{TOOL}, one after another", round(len(took) / sum(took)), "calls per second"),
        (f"{TOOL}, p50", round(percentile(took, 50) * 1000, 2), "ms"),
        (f"{TOOL}, p99", round(percentile(took, 99) * 1000, 2), "ms"),
    ]
    note = f"{CALLS} calls of {TOOL} (reads an issue form, touches no file). The client's time is in them."
    return Outcome([Table("MCP over stdio", ("what", "figure", "unit"), rows)], [note])


@dataclass
class Figures:
    """What one session showed."""

    started: float = 0.0
    listed: float = 0.0
    tools: int = 0
    size: int = 0
    output_schemas: int = 0
    took: list[float] = field(default_factory=list)


async def _session(folder: Path, *, calls: int) -> Figures:
    """Talk to a fresh server."""
    figures = Figures()
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "bot.cli", "mcp", "--local", "--storage-root", str(folder)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        cwd=folder,
    )
    began = time.perf_counter()
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        figures.started = time.perf_counter() - began
        if calls:
            await _ask(session, figures, calls)
    return figures


async def _ask(session: ClientSession, figures: Figures, calls: int) -> None:
    began = time.perf_counter()
    listed = (await session.list_tools()).model_dump(mode="json", by_alias=True, exclude_none=True)
    figures.listed = time.perf_counter() - began
    figures.tools = len(listed["tools"])
    figures.size = len(json.dumps(listed))
    figures.output_schemas = sum(len(json.dumps(tool.get("outputSchema", {}))) for tool in listed["tools"])
    body = form_body(_request())
    for _ in range(calls):
        began = time.perf_counter()
        answer = await session.call_tool(TOOL, {"body": body})
        figures.took.append(time.perf_counter() - began)
        if answer.is_error:
            raise RuntimeError(f"{TOOL} answered with an error: {answer.content}")


def _request() -> ClassificationRequest:
    return ClassificationRequest(
        model_name="demo",
        task="classification",
        algorithm="xgboost",
        data="sklearn://breast_cancer",
        target="target",
        metric="accuracy",
        threshold=0.9,
    )
