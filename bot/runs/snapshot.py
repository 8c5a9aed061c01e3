"""A run as the last line of its comment carries it, hidden and signed: an App that has lost its database goes on from it.

Whoever may write to a repository may edit the App's comments, so a snapshot counts only with the signature of an App that
has the webhook secret, and only below the issue and for the run that it was made for (pure).
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

from bot.runs.run import Run

MAX_SNAPSHOT_LENGTH = 20_000
"""Characters; a comment has to hold what people read as well."""

_LINE = re.compile(r"<!-- modelyard:state:([A-Za-z0-9+/=]+)\.([0-9a-f]{64}) -->")
_NOT_KEPT = {"row_version", "due", "observed_heartbeat", "observed_job"}
"""They change with each look at the run and mean nothing in another database."""


def snapshot(run: Run, secret: bytes) -> str:
    """Return the line; without the log of what went wrong where that is too long, empty where even this does not fit."""
    for kept in (run, _without_log(run)):
        # No URL-safe alphabet: two hyphens in a row do not belong into a comment of HTML.
        text = base64.b64encode(zlib.compress(_json(kept), 9)).decode("ascii")
        if len(text) <= MAX_SNAPSHOT_LENGTH:
            return f"<!-- modelyard:state:{text}.{_signature(run.repository, run.issue, run.id, text, secret)} -->"
    return ""


def read_snapshot(comment: str, repository: str, issue: int, run_id: str, secret: bytes) -> Run | None:
    """Return the run that a comment's last line holds; None where there is none that the App made for it."""
    found = _LINE.fullmatch(comment.rstrip().rpartition("\n")[2])
    if found is None or not hmac.compare_digest(found[2], _signature(repository, issue, run_id, found[1], secret)):
        return None
    try:
        return Run.model_validate_json(zlib.decompress(base64.b64decode(found[1], validate=True)))
    except (ValidationError, zlib.error, binascii.Error):
        return None  # of a version with other runs


def _json(run: Run) -> bytes:
    fields: dict[str, Any] = run.model_dump(mode="json", exclude=_NOT_KEPT, exclude_defaults=True)
    return json.dumps(fields, separators=(",", ":")).encode()


def _without_log(run: Run) -> Run:
    return run if run.error is None else run.replace(error=run.error.model_copy(update={"log_tail": ""}))


def _signature(repository: str, issue: int, run_id: str, text: str, secret: bytes) -> str:
    key = hmac.digest(secret, b"modelyard run snapshot", "sha256")
    return hmac.new(key, f"{repository}\n{issue}\n{run_id}\n{text}".encode(), hashlib.sha256).hexdigest()
