"""A running hub: people, an App, one private repository, and clients whose every call is held against GitHub's
description."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt

from runners.local.hub.editions import GITHUB_COM, Edition
from runners.local.hub.hub import Hub
from runners.local.hub.seed import APP_EVENTS, Ready, Setup
from runners.local.hub.server import bind, serving
from tests.support.github_openapi import CheckedTransport, Checker
from tests.support.keys import set_up_with_one_key

SECRET = "only for tests"
MORE_EVENTS = (*APP_EVENTS, "check_run", "push", "workflow_dispatch")
"""What the hub can tell an App, more than Modelyard's asks for."""


@dataclass(frozen=True)
class RunningHub:
    """What a test needs of a hub. Its clients' paths are relative to ``/api/v3``."""

    hub: Hub
    ready: Ready
    checker: Checker
    _open: contextlib.ExitStack = field(repr=False)

    @property
    def url(self) -> str:
        return self.hub.base_url

    @property
    def api_url(self) -> str:
        return self.hub.api_url

    @property
    def private_key(self) -> str:
        return self.ready.private_key_path.read_text(encoding="ascii")

    def client(self, token: str | None = None) -> httpx.Client:
        """Return a checked client that signs in with a token, a JWT, or not at all."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = CheckedTransport(httpx.HTTPTransport(), self.checker)
        made = httpx.Client(transport=transport, base_url=self.api_url, headers=headers, timeout=20)
        return self._open.enter_context(made)

    def person(self, login: str) -> httpx.Client:
        """Return the client of ``owner``, ``writer``, ``reader`` or ``outsider``."""
        return self.client(self.ready.tokens[login])

    def app_jwt(self, **claims: Any) -> str:
        """Return the App's JWT; claims given here replace the right ones."""
        clock = int(time.time())
        right = {"iat": clock - 60, "exp": clock + 540, "iss": str(self.ready.app.id)}
        return jwt.encode({**right, **claims}, self.private_key, algorithm="RS256")

    def app(self) -> httpx.Client:
        """Return the client of the App itself."""
        return self.client(self.app_jwt())

    def installation_token(self, **body: Any) -> str:
        """Return an installation token, with fewer ``permissions`` or ``repositories`` where given."""
        made = self.app().post(f"/app/installations/{self.ready.installation_id}/access_tokens", json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def installation(self, **body: Any) -> httpx.Client:
        """Return the client of the App's installation."""
        return self.client(self.installation_token(**body))

    def git_url(self, token: str, repository: str = "owner/demo") -> str:
        """Return a clone URL that carries a token."""
        return f"{self.url.replace('://', f'://x-access-token:{token}@')}/{repository}.git"


@contextlib.contextmanager
def running_hub(
    root: Path,
    *,
    webhook_url: str = "",
    webhook_secret: str = SECRET,
    webhooks_enabled: bool = True,
    import_from: Path | None = None,
    port: int = 0,
    edition: Edition = GITHUB_COM,
    **setup: Any,
) -> Iterator[RunningHub]:
    """Serve the hub of a folder on a free port; a folder that a hub has used shows the same again."""
    listening, base_url = bind(port)
    hub = Hub.open(root, base_url, webhooks_enabled=webhooks_enabled, edition=edition)
    wanted = Setup(webhook_url=webhook_url, webhook_secret=webhook_secret, import_from=import_from, **setup)
    with contextlib.ExitStack() as stack:
        stack.callback(hub.close)
        ready = set_up_with_one_key(hub, wanted)
        stack.enter_context(serving(hub, listening))
        yield RunningHub(hub, ready, Checker(), stack)


def git(*arguments: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run git as somebody without any configuration."""
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **{
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "writer"), ("EMAIL", "writer@example.org"))
        },
    }
    return subprocess.run(
        ("git", *arguments), cwd=folder, env=environment, check=check, capture_output=True, text=True, timeout=60
    )


def example_repository(folder: Path) -> Path:
    """Make a local repository with one commit on ``main``: ``README.md`` and ``src/module.py``."""
    (folder / "src").mkdir(parents=True)
    (folder / "README.md").write_text("# Demo\n", encoding="utf-8")
    (folder / "src" / "module.py").write_text("VALUE = 1\n", encoding="utf-8")
    git("init", "--quiet", "--initial-branch=main", folder=folder)
    git("add", ".", folder=folder)
    git("commit", "--quiet", "-m", "Start", folder=folder)
    return folder


@dataclass(frozen=True)
class Received:
    """One webhook as it came in."""

    event: str
    guid: str
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def name(self) -> str:
        """Event and action, such as ``issues.opened``."""
        action = self.payload.get("action")
        return f"{self.event}.{action}" if action else self.event


class Receiver:
    """Takes webhooks over real HTTP and keeps them."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 202
        self.hold = threading.Event()
        """Cleared, it keeps every answer back until it is set again."""
        self.hold.set()
        self.arrived = threading.Condition()
        self.url = ""

    @property
    def names(self) -> list[str]:
        return [item.name for item in self.received]

    def wait_for(self, name: str, count: int = 1, seconds: float = 10) -> Received:
        """Wait until an event has come that often and return the last of them."""
        with self.arrived:
            came = self.arrived.wait_for(lambda: self.names.count(name) >= count, seconds)
            assert came, f"{name} did not come {count} times; came: {self.names}"
            return [item for item in self.received if item.name == name][count - 1]

    def take(self, received: Received) -> None:
        with self.arrived:
            self.received.append(received)
            self.arrived.notify_all()


@contextlib.contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Listen for webhooks at ``receiver.url`` and answer them with ``receiver.status``."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.hold.wait(10)
            with contextlib.suppress(ConnectionError):  # The sender may have given up meanwhile.
                self.answer(body)

        def answer(self, body: bytes) -> None:
            self.send_response(receiver.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            names = {name.lower(): value for name, value in self.headers.items()}
            receiver.take(Received(names["x-github-event"], names["x-github-delivery"], names, body))

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/webhook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
