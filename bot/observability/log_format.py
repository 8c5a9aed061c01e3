"""What the App logs: one JSON object a line on stderr, every line with the same fields, every secret masked.

A line that measured something says so by ``extra={"duration_ms": ..., "status": ...}``.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TextIO

from actions.text import masking
from actions.text.masking import MASK
from bot.observability.log_context import subject

SERVICE = "modelyard"
_SHORTEST_SECRET = 4


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON.

    Parameters
    ----------
    secrets
        Texts that must not show; beside them whatever looks like a token or a key.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        known = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def format(self, record: logging.LogRecord) -> str:
        about = subject()
        line = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": SERVICE,
            "repository": about.repository,
            "execution_id": about.execution_id,
            "issue_number": about.issue_number,
            "training_job_name": about.training_job_name,
            "message": record.getMessage(),
            "duration_ms": getattr(record, "duration_ms", None),
            "status": getattr(record, "status", None),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = self.formatException(record.exc_info)
        shown = {name: self.masked(value) if isinstance(value, str) else value for name, value in line.items()}
        return json.dumps(shown, ensure_ascii=False)

    def masked(self, text: str) -> str:
        """Return a text without its secrets."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return masking.masked(text)


def set_up(level: str, secrets: Iterable[str], stream: TextIO | None = None) -> None:
    """Send the whole process's log to stderr as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Each request to GitHub a line, each retry a traceback: what matters of them is in our own errors.
    for name, quieter in (
        ("httpx", "WARNING"),
        ("httpcore", "WARNING"),
        ("githubkit", "ERROR"),
        ("slack_sdk", "CRITICAL"),
    ):
        logging.getLogger(name).setLevel(quieter)
