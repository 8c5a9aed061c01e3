"""Operations that behave as no real one should: to see that the doors bear it. As a module: an MCP server over stdio."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import anyio

from actions.context import Context
from actions.operation import Operation, Result


class Counted(Result):
    """How far it counted."""

    reached: int


def count(to: int, context: Context) -> Counted:
    """Count, reporting each step, and print on stdout in every way there is.

    Parameters
    ----------
    to
        How far.
    """
    sys.stdout.write("by Python\n")
    sys.stdout.flush()
    os.write(1, b"as a C library does\n")
    for number in range(1, to + 1):
        context.report("counting", number, to, {"loss": 1 / number})
    context.report("resting")
    return Counted(reached=to)


def stumble() -> Counted:
    """Fail as nobody foresaw."""
    raise RuntimeError("no such luck")


def _operation(function: Callable[..., Counted]) -> Operation:
    return Operation(
        function.__name__, function, "runner", None, read_only=False, destructive=False, idempotent=False,
        open_to_agents="It only counts.",
    )  # fmt: skip


ODD = {"count": _operation(count), "stumble": _operation(stumble)}

if __name__ == "__main__":
    from bot.mcp import create_server, local_contexts

    anyio.run(create_server(ODD, local_contexts(None, None)).run_stdio_async)
