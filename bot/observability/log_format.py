"""The App's log: one JSON object per line on stderr, always with the same fields, and with every secret masked.

Measurements are logged with ``extra={"duration_ms": ..., "status": ...}``.
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
from actions.text.invisible import INVISIBLE
from actions.text.masking import MASK
from bot.observability.log_context import subject

SERVICE = "modelyard"
_MIN_SECRET_LENGTH = 4
_UNSAFE = re.compile(f"[{INVISIBLE}\u200c\u200d\u2028\u2029]")
"""What JSON allows in a string, but a terminal or a viewer takes as a command, an end of line or a change of direction."""


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON.

    Parameters
    ----------
    secrets
        Texts to mask, in addition to everything that looks like a token or a key.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        known = sorted({secret for secret in secrets if len(secret) >= _MIN_SECRET_LENGTH}, key=len, reverse=True)
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
        masked = {name: self.masked(value) if isinstance(value, str) else value for name, value in line.items()}
        return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], json.dumps(masked, ensure_ascii=False))

    def masked(self, text: str) -> str:
        """Return a text with its secrets masked."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return masking.masked(text)


def set_up(level: str, secrets: Iterable[str], stream: TextIO | None = None) -> None:
    """Write the process's log to stderr as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # They log a line per request and a traceback per retry; our own errors contain what matters.
    for name, minimum in (
        ("httpx", "WARNING"),
        ("httpcore", "WARNING"),
        ("githubkit", "ERROR"),
        ("slack_sdk", "CRITICAL"),
    ):
        logging.getLogger(name).setLevel(minimum)
