from __future__ import annotations

import contextvars
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.observability import log_context, log_format
from bot.runs.run import WorkflowDispatch
from tests.support.keys import private_key
from tests.support.runs import NOON, a_run

CANARY = "canary-9f3b-do-not-show"
FIELDS = {
    "timestamp", "level", "service", "execution_id", "issue_number", "training_job_name", "message", "duration_ms", "status",
}  # fmt: skip


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    log_format.set_up("INFO", [CANARY, private_key()], stream)
    yield stream
    root.handlers[:], root.level = before


def test_each_record_is_one_line_of_json(stream: io.StringIO) -> None:
    logging.getLogger("bot.worker").info("run %s:\nsecond line", "train-20261122-001")

    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert record["message"] == "run train-20261122-001:\nsecond line"
    assert (record["level"], record["logger"], record["service"]) == ("info", "bot.worker", "modelyard")
    assert record["timestamp"].endswith("+00:00")


@pytest.mark.parametrize("character", ["\x85", "\x9b", "\u2028", "\u202e", "\u2066", "\u200b", "\xad", "\U000e0041"])
def test_what_a_terminal_or_a_viewer_would_obey_is_escaped(stream: io.StringIO, character: str) -> None:
    logging.getLogger("bot.worker").info("issue %s", f"a{character}b")

    assert character not in stream.getvalue()
    assert json.loads(stream.getvalue())["message"] == f"issue a{character}b"


def in_a_task(stream: io.StringIO, work: Callable[[], None]) -> dict[str, Any]:
    """Do some work as one of the worker's tasks does, and return the one line that it logged."""
    contextvars.copy_context().run(work)
    return dict(json.loads(stream.getvalue()))


def test_every_field_is_present_even_if_unknown(stream: io.StringIO) -> None:
    record = in_a_task(stream, lambda: logging.getLogger("bot").info("up"))

    assert record.keys() == {*FIELDS, "repository", "logger"}
    assert [name for name in FIELDS if record[name] is None] == [name for name in FIELDS if name in UNKNOWN]


UNKNOWN = {"repository", "execution_id", "issue_number", "training_job_name", "duration_ms", "status"}


def test_lines_about_a_run_carry_its_ids_and_its_dispatch(stream: io.StringIO) -> None:
    sent = WorkflowDispatch(attempt=1, start_at="prepare", title="train-20261122-001 attempt 1", sent_at=NOON)

    def work() -> None:
        log_context.about_run(a_run(repository="owner/models", issue=7, dispatches=(sent,)))
        logging.getLogger("bot").info("a step", extra={"duration_ms": 12, "status": "ok"})

    record = in_a_task(stream, work)

    assert (record["repository"], record["execution_id"]) == ("owner/models", "train-20261122-001")
    assert record["issue_number"] == 7
    assert record["training_job_name"] == "train-20261122-001 attempt 1"
    assert (record["duration_ms"], record["status"]) == (12, "ok")


def test_a_run_without_a_dispatch_has_no_training_job(stream: io.StringIO) -> None:
    def work() -> None:
        log_context.about_run(a_run())
        logging.getLogger("bot").info("a step")

    assert in_a_task(stream, work)["training_job_name"] is None


def test_lines_about_another_issue_no_longer_carry_the_run(stream: io.StringIO) -> None:
    def work() -> None:
        log_context.about_run(a_run())
        log_context.about_issue("owner/others", 8)
        logging.getLogger("bot").info("a delivery")

    record = in_a_task(stream, work)

    assert (record["repository"], record["execution_id"], record["issue_number"]) == ("owner/others", None, 8)


def test_secrets_are_masked_in_every_field(stream: io.StringIO) -> None:
    def work() -> None:
        sent = WorkflowDispatch(attempt=1, start_at="prepare", title=CANARY, sent_at=NOON)
        log_context.about_run(a_run(dispatches=(sent,)))
        logging.getLogger(CANARY).info("a step", extra={"status": CANARY})

    record = in_a_task(stream, work)

    assert (record["training_job_name"], record["status"], record["logger"]) == ("***", "***", "***")


@pytest.mark.parametrize(
    "secret",
    [
        CANARY,
        private_key(),
        "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "github_pat_11ABCDEFG0123456789_abcdefgh",
        "xoxb-only-for-tests-0123456789",
        "smtp://modelyard:s3cr3t-word@mail.example.org",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxNyJ9.c2lnbmF0dXJl",
        "postgresql://modelyard:s3cr3t-word@db/modelyard",
    ],
)
def test_secrets_are_masked_in_messages_and_tracebacks(stream: io.StringIO, secret: str) -> None:
    try:
        int(f"refused: {secret}")
    except ValueError:
        logging.getLogger("bot").exception("with %s", secret)

    written = stream.getvalue()
    assert "ValueError" in written
    assert secret not in written
    assert "s3cr3t-word" not in written
    assert private_key().splitlines()[1] not in written


def test_debug_messages_of_libraries_are_left_out(stream: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://api.github.com")
    logging.getLogger("githubkit").warning("Server error encountered")
    logging.getLogger("slack_sdk.web.base_client").error("Failed to send a request to Slack API server")

    assert stream.getvalue() == ""
