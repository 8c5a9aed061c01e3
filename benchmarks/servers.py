"""The servers that take webhooks, each as a process of its own: the App, Probot, bare FastAPI."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.request import urlopen

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks import probot
from benchmarks.machine import ROOT

SECRET = "only for benchmarks"  # noqa: S105 - guards nothing
HOST = "127.0.0.1"
START_SECONDS = 30.0


@dataclass(frozen=True)
class Launch:
    """How to start a server.

    Attributes
    ----------
    command, settings
        What is called, with which variables added to the environment.
    port
        Where it will listen.
    hook, alive
        The paths that take a webhook, and that answer as soon as it is up.
    """

    command: Sequence[str]
    settings: Mapping[str, str]
    port: int
    hook: str = "/webhook"
    alive: str = "/healthz"


@dataclass(frozen=True)
class Server:
    """A server that is up.

    Attributes
    ----------
    launch
        How it was started.
    process
        Its process id.
    cold_start
        Seconds from the start of the process to its first answer.
    """

    launch: Launch
    process: int
    cold_start: float


def modelyard(folder: Path) -> Launch:
    """Return how to start the App on a database in a folder."""
    settings = {
        "APP_ID": "1",
        "PRIVATE_KEY": _key(),
        "WEBHOOK_SECRET": SECRET,
        # Nobody listens there, and nothing that is sent here makes the App ask.
        "GITHUB_API_URL": f"http://{HOST}:9/api/v3",
        "DATABASE_URL": database_url(folder),
        "STORAGE_ROOT": str(folder),
        "LOG_LEVEL": "WARNING",
    }
    port = _free_port()
    command = [sys.executable, "-m", "bot.cli", "serve", "--host", HOST, "--port", str(port)]
    return Launch(command, {f"MODELYARD_{name}": value for name, value in settings.items()}, port)


def database_url(folder: Path) -> str:
    """Return where ``modelyard`` has the App keep its things."""
    return f"sqlite:///{database(folder)}"


def database(folder: Path) -> Path:
    """Return the database's file."""
    return folder / "app.sqlite3"


def handled_and_stored(folder: Path) -> tuple[int, int]:
    """Return how many deliveries the App has worked off, and how many it has."""
    with closing(sqlite3.connect(database(folder))) as connection:
        rows = dict(connection.execute("SELECT status = 'new', count(*) FROM inbox GROUP BY 1").fetchall())
    return rows.get(0, 0), sum(rows.values())


def fastapi() -> Launch:
    """Return how to start ``benchmarks.peer``."""
    port = _free_port()
    return Launch([sys.executable, "-m", "benchmarks.peer", str(port)], {"PEER_SECRET": SECRET}, port)


def probot_app(installed: Path) -> Launch:
    """Return how to start a Probot App that does nothing for an event, as Probot's documentation has it run."""
    port = _free_port()
    settings = {
        "APP_ID": "1", "PRIVATE_KEY": _key(), "WEBHOOK_SECRET": SECRET,
        "HOST": HOST, "PORT": str(port), "NODE_ENV": "production", "LOG_LEVEL": "fatal",
    }  # fmt: skip
    return Launch(probot.command(installed), settings, port, hook="/api/github/webhooks", alive="/ping")


@contextmanager
def started(launch: Launch) -> Iterator[Server]:
    """Run a server as long as the block lasts."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    environment = {**inherited, **launch.settings, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(launch.command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        _wait(process, launch)
        yield Server(launch, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], launch: Launch) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urlopen(f"http://{HOST}:{launch.port}{launch.alive}", timeout=1):
            return
        time.sleep(0.01)
    raise RuntimeError(f"{launch.command!r} did not start")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


@cache
def _key() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode("ascii")
