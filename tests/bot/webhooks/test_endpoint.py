from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import hmac
import http.client
import json
import logging
import socket
import sqlite3
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.database.store import Store
from bot.webhooks import endpoint as webhooks
from bot.webhooks import http_limits
from bot.webhooks.batching import Inbox
from bot.webhooks.delivery import WAKE_EVENTS, Delivery, InboxResult
from bot.webhooks.endpoint import MAX_BYTES, Webhooks
from bot.webhooks.http_limits import BoundedRequests
from tests.support.databases import waiting
from tests.support.serving import serving

SECRET = b"it is a secret to everybody"
OPENED = {
    "action": "opened",
    "issue": {"number": 7},
    "repository": {"full_name": "owner/models"},
    "installation": {"id": 3},
}


class Door:
    """The webhook over real HTTP, and what is behind it."""

    def __init__(self, address: str, store: Store, endpoint: Webhooks) -> None:
        self.address = address
        self.store = store
        self.endpoint = endpoint
        self.host, self.port = urllib.parse.urlsplit(address).hostname, urllib.parse.urlsplit(address).port

    def rows(self) -> list[Delivery]:
        found = (self.store.inbox.to_handle(name) for name in waiting(self.store, datetime.now(UTC)))
        return [delivery for delivery in found if delivery is not None]

    def send(self, body: bytes, headers: dict[str, Any], *, drop: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
        all_headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "issues",
            "X-GitHub-Delivery": "0b1c-1",
            "X-Hub-Signature-256": signature(body),
            **headers,
        }
        connection = http.client.HTTPConnection(str(self.host), self.port, timeout=10)
        try:
            kept = {name: value for name, value in all_headers.items() if name not in drop}
            connection.request("POST", "/webhook", body, kept)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def deliver(self, payload: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(json.dumps(payload).encode(), named)


def signature(body: bytes, secret: bytes = SECRET) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'app.db'}")
    yield opened
    opened.close()


class Switch:
    """One server for all tests of this file: it hands each request to the present test's endpoint."""

    endpoint: Webhooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.endpoint(scope, receive, send)


@pytest.fixture(scope="module")
def switch() -> Iterator[tuple[Switch, str]]:
    switch = Switch()
    with serving(Starlette(routes=[Route("/webhook", switch, methods=["POST"])]), http=BoundedRequests) as address:
        yield switch, address


@pytest.fixture
def door(store: Store, switch: tuple[Switch, str]) -> Door:
    endpoint = Webhooks(store.inbox, SECRET, asyncio.Event(), read_seconds=1.0)
    switch[0].endpoint = endpoint
    return Door(switch[1], store, endpoint)


# --- what is taken -----------------------------------------------------------------------------------------------------


def test_a_signed_delivery_is_stored_before_it_is_answered_and_wakes_the_worker(door: Door) -> None:
    status, answer = door.deliver(OPENED)

    assert (status, answer["result"]) == (202, "stored")
    (row,) = door.rows()
    assert (row.id, row.event, row.repository, row.installation) == ("0b1c-1", "issues", "owner/models", 3)
    assert json.loads(row.payload) == OPENED
    assert door.endpoint._wake.is_set()


def test_the_same_delivery_again_is_accepted_and_counts_once(door: Door) -> None:
    answers = [door.deliver(OPENED) for _ in range(3)]

    assert [status for status, _ in answers] == [202, 202, 202]
    assert [answer["result"] for _, answer in answers] == ["stored", "repeated", "repeated"]
    assert len(door.rows()) == 1


def test_the_same_delivery_at_the_same_moment_counts_once(door: Door) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: door.deliver(OPENED), range(16)))

    assert {status for status, _ in answers} == {202}
    assert sorted(answer["result"] for _, answer in answers) == ["repeated"] * 15 + ["stored"]
    assert len(door.rows()) == 1


@pytest.mark.parametrize("event", ["ping", "star", "an_event_of_next_year"])
def test_events_that_the_app_does_not_use_are_accepted_and_counted_but_not_stored(door: Door, event: str) -> None:
    status, answer = door.deliver({"zen": "Design for failure."}, X_GitHub_Event=event)

    assert (status, answer["result"]) == (202, "ignored")
    assert door.endpoint.counts[f"event:{event}"] == 1
    assert door.rows() == []


def test_a_form_encoded_payload_is_accepted(door: Door) -> None:
    body = b"payload=" + urllib.parse.quote_plus(json.dumps(OPENED)).encode()

    status, _ = door.send(body, {"Content-Type": "application/x-www-form-urlencoded"})

    assert status == 202
    assert json.loads(door.rows()[0].payload) == OPENED


def test_parts_of_a_payload_with_the_wrong_type_are_ignored(door: Door) -> None:
    odd = {"action": ["opened"], "repository": {"full_name": "../é"}, "installation": {"id": 2**70}}

    status, _ = door.deliver(odd)

    assert status == 202
    (row,) = door.rows()
    assert (row.repository, row.installation) == (None, None)


def test_the_largest_delivery_that_github_sends_is_accepted(door: Door) -> None:
    body = json.dumps(OPENED).encode()
    body += b" " * (MAX_BYTES - len(body))

    status, _ = door.send(body, {})

    assert status == 202
    assert len(door.rows()[0].payload) == MAX_BYTES


# --- signatures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        "sha256=" + "0" * 63,
        "sha256=" + "0" * 65,
        signature(json.dumps(OPENED).encode()).upper(),
        signature(json.dumps(OPENED).encode()).removeprefix("sha256="),
        signature(json.dumps(OPENED).encode(), b"another secret"),
        "sha1=" + hmac.new(SECRET, json.dumps(OPENED).encode(), hashlib.sha1).hexdigest(),
        "sha256=" + "é" * 64,
        "sha256=" + "\u00b2" * 64,
    ],
)
def test_a_delivery_without_the_right_signature_is_refused_and_leaves_nothing(
    door: Door, given: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = json.dumps(OPENED).encode()
    headers = {} if given is None else {"X-Hub-Signature-256": given}

    status, _ = door.send(body, headers, drop=("X-Hub-Signature-256",) if given is None else ())

    assert status == 401
    assert door.rows() == []
    assert "owner/models" not in caplog.text


def test_signatures_are_compared_in_constant_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(given: bytes, expected: bytes) -> bool:
        compared.append((given, expected))
        return False

    body = json.dumps(OPENED).encode()
    monkeypatch.setattr(hmac, "compare_digest", compare)

    assert door.send(body, {})[0] == 401, "nothing but the comparison decides"
    assert [{given, expected} for given, expected in compared] == [{signature(body)[7:].encode()}]


def test_a_sha1_signature_alone_is_refused(door: Door) -> None:
    body = json.dumps(OPENED).encode()
    old = "sha1=" + hmac.new(SECRET, body, hashlib.sha1).hexdigest()

    status, answer = door.send(body, {"X-Hub-Signature": old}, drop=("X-Hub-Signature-256",))

    assert (status, answer["error"]) == (401, "signature_missing")


def test_a_signature_of_different_bytes_is_refused_even_if_the_json_is_equal(door: Door) -> None:
    body = json.dumps(OPENED).encode()

    status, answer = door.send(body + b" ", {"X-Hub-Signature-256": signature(body)})

    assert (status, answer["error"]) == (401, "signature_wrong")


# --- headers and content ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["X-GitHub-Delivery", "X-GitHub-Event"])
def test_a_delivery_without_its_headers_is_refused(door: Door, name: str) -> None:
    status, _ = door.send(json.dumps(OPENED).encode(), {}, drop=(name,))

    assert status == 400
    assert door.rows() == []


@pytest.mark.parametrize("value", ["", "a b", "x" * 101, "../etc", "é"])
def test_an_invalid_delivery_id_is_refused(door: Door, value: str) -> None:
    assert door.deliver(OPENED, X_GitHub_Delivery=value)[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[]",
        b'"text"',
        b"null",
        b"7",
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a": ' + b"9" * 5_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"half of a character": "\\ud800"}',
        json.dumps(OPENED).encode("utf-16"),
    ],
)
def test_a_signed_body_that_is_not_a_plain_json_object_is_refused(door: Door, body: bytes) -> None:
    status, _ = door.send(body, {})

    assert status == 400
    assert door.rows() == []


@pytest.mark.parametrize("event", sorted(WAKE_EVENTS))
@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a": NaN}', b"[]", b"7", b'{"action": "\xff"}', b"\xef\xbb\xbf{}", b'{"a":' * 100_000]
)
def test_a_signed_job_event_that_is_not_a_plain_json_object_is_refused(door: Door, event: str, body: bytes) -> None:
    status, _ = door.send(body, {"X-GitHub-Event": event})

    assert status == 400
    assert door.rows() == []


@pytest.mark.parametrize("wrong", [{"repository": 7}, {"workflow_job": []}, {"installation": "1"}])
def test_a_signed_job_event_whose_parts_are_not_objects_is_refused(door: Door, wrong: dict[str, object]) -> None:
    status, answer = door.deliver({"action": "completed", **wrong}, X_GitHub_Event="workflow_job")

    assert (status, answer["error"]) == (400, "not_an_object")


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"workflow_job": None, "repository": None},
        {"workflow_job": {}, "repository": {}},
        {"workflow_job": {"run_id": "7"}, "repository": {"full_name": "owner/models"}},
        {"workflow_job": {"run_id": True}, "repository": {"full_name": ["owner/models"]}},
        {"workflow_job": {"run_id": 2**70}, "action": {}},
        {"workflow_job": {"run_id": 7}, "repository": {"full_name": "../models"}},
    ],
)
def test_a_signed_job_event_without_a_run_wakes_nothing(door: Door, odd: dict[str, object]) -> None:
    status, answer = door.deliver(odd, X_GitHub_Event="workflow_job")

    assert (status, answer["result"]) == (202, "ignored")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/jsonp", "multipart/form-data"])
def test_another_content_type_is_refused(door: Door, kind: str) -> None:
    assert door.deliver(OPENED, Content_Type=kind)[0] == 415


def test_a_form_without_a_payload_is_refused(door: Door) -> None:
    assert door.send(b"other=1", {"Content-Type": "application/x-www-form-urlencoded"})[0] == 400


# --- size and speed ---------------------------------------------------------------------------------------------------

HEAD = (
    b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-GitHub-Event: issues\r\n"
    b"X-GitHub-Delivery: 0b1c-9\r\nX-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"
)


def converse(door: Door, head: bytes, pieces: Iterator[bytes]) -> tuple[int, int]:
    """Send a request by hand until the server answers; return the status and how many bytes of body went out."""
    sent = 0
    with socket.create_connection((str(door.host), door.port), timeout=10) as connection:
        connection.sendall(HEAD + head + b"\r\n")
        connection.setblocking(False)
        for piece in pieces:
            rest = piece
            while rest:
                if (status := answered(connection)) is not None:
                    return status, sent
                try:
                    count = connection.send(rest)
                except BlockingIOError:
                    time.sleep(0.001)
                    continue
                except ConnectionError:  # the server has answered and closed between the two looks; its answer is here
                    continue
                sent += count
                rest = rest[count:]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if (status := answered(connection)) is not None:
                return status, sent
            time.sleep(0.01)
    raise AssertionError("no answer")


def answered(connection: socket.socket) -> int | None:
    try:
        start = connection.recv(100)
    except BlockingIOError:
        return None
    return int(start.split(b" ", 2)[1])


def chunks(count: int, size: int = 1024 * 1024) -> Iterator[bytes]:
    for _ in range(count):
        yield b"%x\r\n" % size + b"x" * size + b"\r\n"


def test_a_body_declared_too_large_is_refused_before_it_is_sent(door: Door) -> None:
    status, sent = converse(door, b"Content-Length: %d\r\n" % (MAX_BYTES + 1), iter(()))

    assert (status, sent) == (413, 0)


def test_a_chunked_body_is_refused_when_it_becomes_too_large(door: Door) -> None:
    status, sent = converse(door, b"Transfer-Encoding: chunked\r\n", chunks(200))

    assert status == 413
    assert MAX_BYTES < sent < 40 * 1024 * 1024
    assert door.endpoint._in_flight == 0


def test_a_body_longer_than_its_content_length_is_cut_there(door: Door) -> None:
    status, _ = converse(door, b"Content-Length: 10\r\n", iter([b"x" * 100]))

    assert status in {400, 401}
    assert door.rows() == []


def test_a_body_shorter_than_its_content_length_times_out(door: Door) -> None:
    status, _ = converse(door, b"Content-Length: 1000\r\n", iter([b"x" * 10]))

    assert status == 408


def test_a_client_that_sends_byte_by_byte_is_cut_off(door: Door) -> None:
    def drips() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.05)
            yield b"1\r\nx\r\n"

    status, sent = converse(door, b"Transfer-Encoding: chunked\r\n", drips())

    assert status == 408
    assert sent < 300


def test_a_request_without_a_length_has_an_empty_body(door: Door) -> None:
    status, _ = converse(door, b"", iter(()))

    assert status == 401


def test_a_client_that_disconnects_leaves_nothing_behind(door: Door) -> None:
    with socket.create_connection((str(door.host), door.port), timeout=10) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nxxx")
        time.sleep(0.1)
    time.sleep(0.2)

    assert door.endpoint._in_flight == 0
    assert door.deliver(OPENED)[0] == 202


def until_in_flight(door: Door, size: int) -> None:
    end = time.monotonic() + 60
    while door.endpoint._in_flight != size:
        assert time.monotonic() < end
        time.sleep(0.01)


def unfinished(door: Door, size: int) -> socket.socket:
    """Send a part of a body that is announced as larger, without a signature that anybody could check yet."""
    connection = socket.create_connection((str(door.host), door.port), timeout=10)
    connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (size + 1) + b"x" * size)
    return connection


def test_unsigned_large_bodies_leave_room_for_a_delivery(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.endpoint, "_read_seconds", 20.0)
    monkeypatch.setattr(webhooks, "MAX_BYTES_IN_FLIGHT", 8 * 1024 * 1024)
    monkeypatch.setattr(webhooks, "MAX_BYTES_PER_CLIENT", 8 * 1024 * 1024)
    monkeypatch.setattr(webhooks, "RESERVED_BYTES", 2 * 1024 * 1024)
    with contextlib.ExitStack() as stack:
        for number in (1, 2, 3):
            stack.enter_context(unfinished(door, 2 * 1024 * 1024))
            until_in_flight(door, number * 2 * 1024 * 1024)
        fourth = stack.enter_context(unfinished(door, 2 * 1024 * 1024))
        assert fourth.recv(12) == b"HTTP/1.1 503"
        assert door.deliver(OPENED)[0] == 202
    until_in_flight(door, 0)
    assert not door.endpoint._by_client


def test_small_bodies_count_toward_a_clients_share(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.endpoint, "_read_seconds", 20.0)
    monkeypatch.setattr(webhooks, "MAX_BYTES_PER_CLIENT", 1024 * 1024)
    with contextlib.ExitStack() as stack:
        stack.enter_context(unfinished(door, 1024 * 1024))
        until_in_flight(door, 1024 * 1024)
        assert stack.enter_context(unfinished(door, 1_000)).recv(12) == b"HTTP/1.1 503"


def test_a_client_gets_its_share_of_the_memory_and_no_more(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MAX_BYTES_PER_CLIENT", 2 * 1024 * 1024)

    status, sent = converse(door, b"Transfer-Encoding: chunked\r\n", chunks(20))

    assert status == 503
    assert sent < 8 * 1024 * 1024


def test_connections_with_unfinished_headers_are_closed_after_a_time(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_limits, "HEAD_SECONDS", 0.3)
    with contextlib.ExitStack() as stack:
        silent, slow = (
            stack.enter_context(socket.create_connection((str(door.host), door.port), timeout=10)) for _ in range(2)
        )
        slow.sendall(HEAD)
        assert [connection.recv(12) for connection in (silent, slow)] == [b"HTTP/1.1 400"] * 2
    assert door.deliver(OPENED)[0] == 202


def test_the_oldest_of_too_many_unfinished_connections_makes_room(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_limits, "MAX_UNFINISHED", 5)
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(8):
            held.append(stack.enter_context(socket.create_connection((str(door.host), door.port), timeout=10)))
            held[-1].sendall(HEAD)
        assert [connection.recv(12) for connection in held[:3]] == [b"HTTP/1.1 400"] * 3
        assert door.deliver(OPENED)[0] == 202
        held[-1].sendall(b"Content-Length: 0\r\n\r\n")
        assert held[-1].recv(12) == b"HTTP/1.1 401", "the newest are served"


def test_connections_with_unfinished_bodies_make_room_too(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.endpoint, "_read_seconds", 60.0)
    monkeypatch.setattr(http_limits, "MAX_UNFINISHED", 5)
    with contextlib.ExitStack() as stack:
        held = []
        for number in range(1, 9):
            held.append(stack.enter_context(unfinished(door, 1)))
            until_in_flight(door, min(number, 5))
        assert [connection.recv(12) for connection in held[:3]] == [b""] * 3
        assert door.deliver(OPENED)[0] == 202


def test_the_memory_of_all_unfinished_bodies_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MAX_BYTES_IN_FLIGHT", 1024 * 1024)

    status, sent = converse(door, b"Transfer-Encoding: chunked\r\n", chunks(20))

    assert status == 503
    assert sent < 8 * 1024 * 1024


def test_an_endless_header_is_refused(door: Door) -> None:
    with socket.create_connection((str(door.host), door.port), timeout=10) as connection:
        connection.sendall(HEAD + b"X-Long: " + b"x" * 80_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert door.rows() == []


def test_each_request_on_a_connection_has_its_own_header_limit(door: Door) -> None:
    connection = http.client.HTTPConnection(str(door.host), door.port, timeout=10)
    for number in range(4):
        padding = {"X-Padding": "x" * 30_000, "X-GitHub-Event": "ping", "X-GitHub-Delivery": f"p-{number}"}
        connection.request(
            "POST",
            "/webhook",
            b"{}",
            {**padding, "X-Hub-Signature-256": signature(b"{}"), "Content-Type": "application/json"},
        )
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["result"]) == (202, "ignored")
    connection.close()


# --- the database -------------------------------------------------------------------------------------------------------


class FullDisk:
    def add_all(self, deliveries: Sequence[Delivery]) -> list[InboxResult]:
        raise OSError(errno.ENOSPC, "No space left on device")


class SlowDisk:
    def add_all(self, deliveries: Sequence[Delivery]) -> list[InboxResult]:
        time.sleep(1.0)
        return ["stored" for _ in deliveries]


@pytest.mark.parametrize("inbox", [FullDisk(), SlowDisk()])
def test_a_delivery_that_cannot_be_stored_in_time_is_never_accepted(
    inbox: Inbox, door: Door, switch: tuple[Switch, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "STORE_SECONDS", 0.1)
    endpoint = switch[0].endpoint = Webhooks(inbox, SECRET, asyncio.Event())

    status, answer = door.deliver(OPENED)

    assert (status, answer["error"]) == (503, "not_stored")
    assert not endpoint._wake.is_set()


def test_a_locked_database_gives_503_and_the_redelivery_is_accepted(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "STORE_SECONDS", 0.3)
    lock = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
        status, _ = door.deliver(OPENED)
        lock.execute("ROLLBACK")
    finally:
        lock.close()

    assert status == 503
    assert door.deliver(OPENED)[0] == 202
    assert len(door.rows()) == 1


def test_all_deliveries_that_wait_for_a_locked_database_get_503(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "STORE_SECONDS", 0.5)
    lock = sqlite3.connect(tmp_path / "app.db", isolation_level=None)
    try:
        lock.execute("BEGIN EXCLUSIVE")
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda number: door.deliver(OPENED, X_GitHub_Delivery=f"d-{number}")[0], range(8)))
        lock.execute("ROLLBACK")
    finally:
        lock.close()

    assert statuses == [503] * 8


def test_deliveries_of_many_senders_are_all_stored(door: Door) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: door.deliver(OPENED, X_GitHub_Delivery=f"d-{number}")[0], range(40)))

    assert statuses == [202] * 40
    assert len(door.rows()) == 40
    assert threading.active_count() < 100
