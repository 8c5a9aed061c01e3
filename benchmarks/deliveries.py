"""Signed webhook deliveries as large as GitHub's, and connections that send them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from benchmarks.servers import HOST, SECRET, Server

CONNECTIONS = 16
SMALLEST, LARGEST = 12_000, 17_000
REPOSITORIES = 4
BODIES = 32
"""Different ones; each delivery has an id of its own."""


@dataclass
class Load:
    """What a server was seen to do with the deliveries that it got."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def rate(self) -> float:
        return len(self.took) / self.seconds


async def send(
    server: Server, load: Load, go_on: Callable[[], bool], events: Sequence[str] = ("workflow_job",)
) -> None:
    """Send on all connections, each the next one when the last is answered, as long as ``go_on`` says so.

    Of several events each has its turn.
    """
    began = time.perf_counter()
    await asyncio.gather(*(_connection(server, load, go_on, events) for _ in range(CONNECTIONS)))
    load.seconds += time.perf_counter() - began


async def _connection(server: Server, load: Load, go_on: Callable[[], bool], events: Sequence[str]) -> None:
    reader, writer = await asyncio.open_connection(HOST, server.launch.port)
    while go_on():
        number = next(_numbers)
        request = _request(server, number, events[number % len(events)])
        began = time.perf_counter()
        writer.write(request)
        status = await _answer(reader)
        load.took.append(time.perf_counter() - began)
        load.refused += not 200 <= status < 300  # noqa: PLR2004 - Probot answers 200, the App 202
    writer.close()
    await writer.wait_closed()


_numbers = itertools.count()


def _request(server: Server, number: int, event: str) -> bytes:
    body, signature = _body(event, number % BODIES)
    head = (
        f"POST {server.launch.hook} HTTP/1.1\r\nHost: {HOST}:{server.launch.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-GitHub-Event: {event}\r\nX-GitHub-Delivery: delivery-{number}\r\n"
        f"X-Hub-Signature-256: {signature}\r\n\r\n"
    )
    return head.encode("ascii") + body


@cache
def _body(event: str, number: int) -> tuple[bytes, str]:
    payload = {
        **_ABOUT[event](number),
        "repository": {
            "id": 1 + number % REPOSITORIES,
            "full_name": f"owner/demo-{number % REPOSITORIES}",
            "private": True,
        },
        "installation": {"id": 1},
        "sender": {"login": "writer", "type": "User"},
        "steps": [],
    }
    size = random.Random(number).randint(SMALLEST, LARGEST)  # noqa: S311 - no secret
    step = {"name": "Set up Python", "status": "completed", "conclusion": "success", "number": 1}
    while len(json.dumps(payload)) < size:
        payload["steps"].append(step)
    body = json.dumps(payload).encode()
    return body, "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def _job(number: int) -> dict[str, Any]:
    """Return news of a job of another workflow: no run waits for it."""
    job = {"id": number, "run_id": 9_000_000_000 + number, "name": "train / train", "status": "in_progress"}
    return {"action": "in_progress", "workflow_job": job}


def _comment(number: int) -> dict[str, Any]:
    """Return a comment that is no command: read by the worker, in the order of its repository, and left alone."""
    return {"action": "created", "comment": {"id": number, "body": "Thank you!"}, "issue": {"number": number + 1}}


_ABOUT: Mapping[str, Callable[[int], dict[str, Any]]] = {"workflow_job": _job, "issue_comment": _comment}


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    lengths = [int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")]
    await reader.readexactly(lengths[0] if lengths else 0)
    return int(lines[0].split()[1])
