from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from bot import logs
from tests.support.keys import private_key

CANARY = "canary-9f3b-do-not-show"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.set_up("INFO", [CANARY, private_key()], stream)
    yield stream
    root.handlers[:], root.level = before


def test_each_record_is_one_line_of_json(stream: io.StringIO) -> None:
    logging.getLogger("bot.worker").info("run %s:\nsecond line", "train-20261122-001")

    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert record["message"] == "run train-20261122-001:\nsecond line"
    assert (record["level"], record["logger"]) == ("info", "bot.worker")


@pytest.mark.parametrize(
    "secret",
    [
        CANARY,
        private_key(),
        "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "github_pat_11ABCDEFG0123456789_abcdefgh",
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


def test_what_libraries_chatter_is_left_out(stream: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://api.github.com")
    logging.getLogger("githubkit").warning("Server error encountered")

    assert stream.getvalue() == ""
