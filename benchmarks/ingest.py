"""Webhooks into the App, each durable before its 202, against a bare FastAPI endpoint that keeps nothing.

Both are processes of their own and get the same signed deliveries over 16 connections, in turns. The ratio is what
counts. (A comparison with Probot comes with a later issue.)
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.machine import ROOT, peak_memory
from benchmarks.report import Cell, Outcome, Table, percentile

CONNECTIONS = 16
ROUNDS = 2
SECONDS = 2.0
"""Of each turn: two turns of each server are eight seconds."""
SMALLEST, LARGEST = 12_000, 17_000
SECRET = "only for benchmarks"  # noqa: S105 - guards nothing
HOST = "127.0.0.1"
START_SECONDS = 30.0


@dataclass
class Server:
    """One server and what it was seen to do."""

    name: str
    port: int
    process: int
    cold_start: float
    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    wrong: int = 0

    @property
    def rate(self) -> float:
        return len(self.took) / self.seconds


def run() -> Outcome:
    """Let both servers take in what they can."""
    with tempfile.TemporaryDirectory(prefix="modelyard-ingest-") as name, ExitStack() as stack:
        folder = Path(name)
        app = stack.enter_context(_started("Modelyard (verify, store, 202)", *_app(folder)))
        peer = stack.enter_context(_started("FastAPI (verify, 202)", *_peer()))
        bodies = [_body(number) for number in range(32)]
        for _ in range(ROUNDS):
            for server in (peer, app):
                asyncio.run(_load(server, bodies, SECONDS))
        rows: list[tuple[Cell, ...]] = [_row(server, peer) for server in (app, peer)]
        handled, stored = _handled(folder / "app.sqlite3")
    columns = ("server", "requests/s", "ratio", "p50 ms", "p99 ms", "memory MB", "cold start s", "requests", "not 202")
    notes = [
        f"{CONNECTIONS} connections, deliveries of {SMALLEST // 1000} to {LARGEST // 1000} kB, in turns of {SECONDS:.0f} s.",
        f"The App's worker runs beside it: it has handled {handled} of {stored} deliveries.",
        "memory: the most that the process held. cold start: until /healthz answers. Probot: with a later issue.",
    ]
    return Outcome([Table("webhook ingest", columns, rows)], notes)


def _row(server: Server, peer: Server) -> tuple[Cell, ...]:
    took = [seconds * 1000 for seconds in server.took]
    return (
        server.name,
        round(server.rate),
        round(server.rate / peer.rate, 2),
        round(percentile(took, 50), 1),
        round(percentile(took, 99), 1),
        peak_memory(server.process),
        round(server.cold_start, 2),
        len(took),
        server.wrong,
    )


# --- the servers -----------------------------------------------------------------------------------------------------


def _app(folder: Path) -> tuple[list[str], Mapping[str, str]]:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    settings = {
        "APP_ID": "1",
        "PRIVATE_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(
            "ascii"
        ),
        "WEBHOOK_SECRET": SECRET,
        # Nobody listens there, and nothing that is sent here makes the App ask.
        "GITHUB_API_URL": f"http://{HOST}:9/api/v3",
        "DATABASE_URL": f"sqlite:///{folder / 'app.sqlite3'}",
        "STORAGE_ROOT": str(folder),
        "LOG_LEVEL": "WARNING",
    }
    command = ["-m", "bot.cli", "serve", "--host", HOST, "--port"]
    return command, {f"MODELYARD_{name}": value for name, value in settings.items()}


def _peer() -> tuple[list[str], Mapping[str, str]]:
    return ["-m", "benchmarks.peer"], {"PEER_SECRET": SECRET}


@contextmanager
def _started(name: str, command: Sequence[str], settings: Mapping[str, str]) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    environment = {**inherited, **settings, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command, str(port)], env=environment, cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        _wait(process, port)
        yield Server(name, port, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urlopen(f"http://{HOST}:{port}/healthz", timeout=1):
            return
        time.sleep(0.01)
    raise RuntimeError(f"{process.args!r} did not start")


def _handled(database: Path) -> tuple[int, int]:
    import sqlite3

    with sqlite3.connect(database) as connection:
        rows = dict(connection.execute("SELECT status = 'new', count(*) FROM inbox GROUP BY 1").fetchall())
    return rows.get(0, 0), sum(rows.values())


# --- the load --------------------------------------------------------------------------------------------------------


def _body(number: int) -> tuple[bytes, str]:
    """Return a delivery as GitHub sends it while a job runs, and its signature."""
    size = random.Random(number).randint(SMALLEST, LARGEST)  # noqa: S311 - no secret
    job = {"id": number, "run_id": 9_000_000_000 + number, "name": "train / train", "status": "in_progress"}
    payload = {
        "action": "in_progress",
        "workflow_job": {**job, "steps": [], "labels": ["self-hosted"]},
        "repository": {"id": 1, "full_name": "owner/demo", "private": True},
        "installation": {"id": 1},
        "sender": {"login": "writer", "type": "User"},
    }
    step = {"name": "Set up Python", "status": "completed", "conclusion": "success", "number": 1}
    while len(json.dumps(payload)) < size:
        payload["workflow_job"]["steps"].append(step)  # type: ignore[index]
    body = json.dumps(payload).encode()
    return body, "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


_numbers = itertools.count()


async def _load(server: Server, bodies: Sequence[tuple[bytes, str]], seconds: float) -> None:
    """Send on all connections until the time is over."""
    began = time.perf_counter()
    await asyncio.gather(*(_connection(server, bodies, began + seconds) for _ in range(CONNECTIONS)))
    server.seconds += time.perf_counter() - began


async def _connection(server: Server, bodies: Sequence[tuple[bytes, str]], end: float) -> None:
    reader, writer = await asyncio.open_connection(HOST, server.port)
    while time.perf_counter() < end:
        number = next(_numbers)
        body, signature = bodies[number % len(bodies)]
        began = time.perf_counter()
        writer.write(_request(server.port, number, body, signature))
        status = await _answer(reader)
        server.took.append(time.perf_counter() - began)
        server.wrong += status != 202  # noqa: PLR2004 - accepted
    writer.close()
    await writer.wait_closed()


def _request(port: int, number: int, body: bytes, signature: str) -> bytes:
    head = (
        f"POST /webhook HTTP/1.1\r\nHost: {HOST}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-GitHub-Event: workflow_job\r\nX-GitHub-Delivery: delivery-{number}\r\n"
        f"X-Hub-Signature-256: {signature}\r\n\r\n"
    )
    return head.encode("ascii") + body


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    lengths = [int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")]
    await reader.readexactly(lengths[0] if lengths else 0)
    return int(lines[0].split()[1])
