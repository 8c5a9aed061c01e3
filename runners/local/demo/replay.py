"""``modelyard replay``: a saved webhook delivery, sent to the App of the last demo, with the local hub as its GitHub."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from runners.local.demo.command import FOLDER
from runners.local.demo.workspace import REPOSITORY, Workspace, WorkspaceError, reach_this_machine_directly

QUIET_SECONDS = 3.0
"""How long the App must log nothing more before a delivery counts as handled."""


class SavedDeliveryError(Exception):
    """The file contains no delivery; the message says why."""


@dataclass(frozen=True)
class SavedDelivery:
    """A delivery read from a file."""

    event: str
    payload: Mapping[str, Any]


def read(text: str, event: str | None = None) -> SavedDelivery:
    """Read a saved delivery: from ``modelyard inbox --show``, GitHub's deliveries API, or a bare payload.

    Raises
    ------
    SavedDeliveryError
        If it is not a delivery, or does not name its event.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise SavedDeliveryError("the file must contain JSON") from None
    if not isinstance(found, dict):
        raise SavedDeliveryError("the file must contain a JSON object")
    request = found.get("request")
    payload = request.get("payload") if isinstance(request, dict) else found.get("payload", found)
    name = event or (found.get("event") if payload is not found else None)
    if not isinstance(payload, dict):
        raise SavedDeliveryError("the delivery has no payload (handled deliveries do not keep it)")
    if not isinstance(name, str):
        raise SavedDeliveryError("the event is unknown; name it with --event, for example --event issues")
    return SavedDelivery(name, payload)


def at_home(saved: SavedDelivery, repository: str, installation: int) -> bytes:
    """Return the payload as if the event had happened in another repository."""
    owner, _, name = repository.partition("/")
    here = {"full_name": repository, "name": name}
    moved = {**saved.payload, "repository": {**(saved.payload.get("repository") or {}), **here}}
    moved["repository"]["owner"] = {**(moved["repository"].get("owner") or {}), "login": owner}
    moved["installation"] = {**(saved.payload.get("installation") or {}), "id": installation}
    return json.dumps(moved).encode()


def replay(file: Path, *, event: str | None = None) -> int:
    """Send the delivery in a file and show what the App logs; return the exit code."""
    workspace = Workspace(FOLDER)
    reach_this_machine_directly()
    try:
        saved = read(file.read_text(encoding="utf-8"), event)
        with _app_of(workspace):
            return _send(workspace, saved)
    except (OSError, UnicodeDecodeError, SavedDeliveryError, WorkspaceError) as error:
        sys.stderr.write(f"{file}: {error}\n")
        return 2


@contextlib.contextmanager
def _app_of(workspace: Workspace) -> Iterator[None]:
    """Use the App of `make serve` if it is running, otherwise run hub and App meanwhile."""
    if _answers(workspace):
        yield
    else:
        with workspace.running():
            yield


def _answers(workspace: Workspace) -> bool:
    try:
        with urlopen(f"{_address(workspace)}/healthz", timeout=2):  # noqa: S310 - loopback
            return True
    except (URLError, OSError):
        return False


def _address(workspace: Workspace) -> str:
    return f"http://127.0.0.1:{workspace.state.app_port}"


def _send(workspace: Workspace, saved: SavedDelivery) -> int:
    body = at_home(saved, REPOSITORY, workspace.state.installation)
    name = f"replay-{uuid.uuid4()}"
    signature = hmac.new(workspace.state.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": saved.event,
        "X-GitHub-Delivery": name,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    logged = workspace.app_log.stat().st_size
    try:
        with urlopen(Request(f"{_address(workspace)}/webhook", body, headers), timeout=30) as answer:  # noqa: S310 - loopback
            sys.stdout.write(f"{answer.status} {answer.read().decode()}\n")
    except HTTPError as error:
        sys.stdout.write(f"{error.code} {error.read().decode()}\n")
        return 1
    for line in _lines_until_quiet(workspace.app_log, logged):
        sys.stdout.write(line)
    return 0


def _lines_until_quiet(log: Path, start: int) -> Iterator[str]:
    with log.open(encoding="utf-8") as lines:
        lines.seek(start)
        last = time.monotonic()
        while time.monotonic() - last < QUIET_SECONDS:
            line = lines.readline()
            if line:
                last = time.monotonic()
                yield line
            else:
                time.sleep(0.05)
