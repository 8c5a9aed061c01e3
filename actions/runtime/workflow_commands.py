"""GitHub Actions' workflow commands: annotations and step summaries, and protection against injected commands.

The runner executes a line of a job's log that begins with ``::`` or contains ``##[``. Logs contain text that people
wrote (an error quotes what it found), so only this module's own lines may be commands.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUMMARY_LIMIT = 1_000_000
"""GitHub accepts 1 MiB of summary per step and drops the whole summary beyond that."""


def in_actions() -> bool:
    """Return whether this process is a step of a workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def error_command(title: str, message: str) -> str:
    """Return the workflow command that annotates a run with an error; neither text can start another command."""
    return f"::error title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return inert(escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def inert(text: str) -> str:
    """Return text without the runner's older command syntax, which works anywhere in a line."""
    return text.replace("##[", "#\u200b#[")


def inert_json(text: str) -> str:
    """Return equal JSON that contains no command: ``#`` occurs only inside JSON strings, where it can be escaped."""
    return text.replace("##[", "#\\u0023[")


@contextmanager
def commands_stopped() -> Iterator[None]:
    """Keep the runner from executing any line that is printed meanwhile; does nothing outside GitHub Actions."""
    if not in_actions():
        yield
        return
    token = secrets.token_hex(16)
    _print(f"::stop-commands::{token}")
    try:
        yield
    finally:
        _print(f"::{token}::")


def annotate(title: str, message: str) -> None:
    """Annotate the run with an error; does nothing outside GitHub Actions."""
    if in_actions():
        _print(error_command(title, message))


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def write_summary(markdown: str) -> None:
    """Append Markdown to the step's summary, if there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path and markdown:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(markdown[:SUMMARY_LIMIT].rstrip() + "\n\n")
