"""A run as the hidden, signed last line of its comment, from which an App that lost its database restores it (pure).

Anyone with write access to a repository can edit the App's comments. A snapshot is therefore valid only with a signature
made with the webhook secret, and only on the issue and for the run that it was made for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import zlib
from typing import Any

from pydantic import ValidationError

from bot.github.issues import MARKER_START
from bot.runs.run import Run

MAX_SNAPSHOT_LENGTH = 20_000
"""Characters: the rest of the comment is for people."""

_LINE = re.compile(MARKER_START + r"state:([A-Za-z0-9+/=]+)\.([0-9a-f]{64}) -->")
_NOT_KEPT = {"row_version", "due", "observed_heartbeat", "observed_job"}
"""These fields change with each look at the run, and mean nothing in another database."""


def snapshot(run: Run, secret: bytes) -> str:
    """Return the line; without the error's log if it is too long with it, empty if it is too long even then."""
    for kept in (run, _without_log(run)):
        # Not the URL-safe alphabet, because an HTML comment must not contain two hyphens in a row.
        text = base64.b64encode(zlib.compress(_json(kept), 9)).decode("ascii")
        if len(text) <= MAX_SNAPSHOT_LENGTH:
            return f"{MARKER_START}state:{text}.{_signature(run.repository, run.issue, run.id, text, secret)} -->"
    return ""


def read_snapshot(comment: str, repository: str, issue: int, run_id: str, secret: bytes) -> Run | None:
    """Return the run in a comment's last line; None unless the App made that line for this issue and run."""
    line = _LINE.fullmatch(comment.rstrip().rpartition("\n")[2])
    if line is None or not hmac.compare_digest(line[2], _signature(repository, issue, run_id, line[1], secret)):
        return None
    try:
        return Run.model_validate_json(zlib.decompress(base64.b64decode(line[1], validate=True)))
    except (ValidationError, zlib.error, binascii.Error):
        return None  # written by another version of Modelyard


def _json(run: Run) -> bytes:
    fields: dict[str, Any] = run.model_dump(mode="json", exclude=_NOT_KEPT, exclude_defaults=True)
    return json.dumps(fields, separators=(",", ":")).encode()


def _without_log(run: Run) -> Run:
    return run if run.error is None else run.replace(error=run.error.model_copy(update={"log_tail": ""}))


def _signature(repository: str, issue: int, run_id: str, text: str, secret: bytes) -> str:
    key = hmac.digest(secret, b"modelyard run snapshot", "sha256")
    return hmac.new(key, f"{repository}\n{issue}\n{run_id}\n{text}".encode(), hashlib.sha256).hexdigest()
