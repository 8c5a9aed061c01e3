"""What a process says to GitHub Actions: annotations, step summaries, and nothing that it did not mean to say.

A line of a job's log that begins with ``::`` or holds ``##[`` is a command to the runner. Text from people reaches logs
(an error quotes what was found), so everything that this module did not write itself is kept from being one.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUMMARY_LIMIT = 1_000_000
"""GitHub takes 1 MiB of summary a step, and drops all of it beyond that."""


def in_actions() -> bool:
    """Tell whether this process is a step of a workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def error_command(title: str, message: str) -> str:
    """Return the workflow command that annotates a run with an error; neither text can end it or start another."""
    return f"::error title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return inert(escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def inert(text: str) -> str:
    """Return text in which the runner's older command syntax, read anywhere in a line, is broken up."""
    return text.replace("##[", "#\u200b#[")


def inert_json(text: str) -> str:
    """Return the same JSON, written so that no line of it is a command: in JSON, ``#`` stands in strings alone."""
    return text.replace("##[", "#\\u0023[")


@contextmanager
def commands_stopped() -> Iterator[None]:
    """Let no line that is printed within be taken as a command (inside Actions; elsewhere this does nothing)."""
    if not in_actions():
        yield
        return
    token = secrets.token_hex(16)
    _say(f"::stop-commands::{token}")
    try:
        yield
    finally:
        _say(f"::{token}::")


def annotate(title: str, message: str) -> None:
    """Annotate the run with an error (inside Actions; elsewhere this does nothing)."""
    if in_actions():
        _say(error_command(title, message))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def write_summary(markdown: str) -> None:
    """Add Markdown to the step's summary, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path and markdown:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(markdown[:SUMMARY_LIMIT].rstrip() + "\n\n")
