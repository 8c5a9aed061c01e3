"""The checker finds what GitHub would not have answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.github_openapi import CheckedTransport, Checker
from tests.support.local_hub import RunningHub

LABEL = {
    "id": 1,
    "node_id": "x",
    "url": "http://127.0.0.1/x",
    "name": "bug",
    "description": None,
    "color": "ff0000",
    "default": False,
}
LABELS = "/api/v3/repos/owner/demo/labels"


def call(method: str, path: str, status: int, body: Any, sent: Any = None) -> None:
    """Send something to somebody who answers exactly this."""
    answering = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    with httpx.Client(transport=CheckedTransport(answering), base_url="http://127.0.0.1") as client:
        client.request(method, path, json=sent)


def test_what_is_as_described_passes() -> None:
    call("GET", LABELS, 200, [LABEL])
    call("POST", LABELS, 201, LABEL, {"name": "bug"})
    call("GET", "/elsewhere", 200, "not GitHub's")


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "sent", "words"),
    [
        ("GET", LABELS, 200, [{**LABEL, "color": 7}], None, "0/color: 7 is not of type 'string'"),
        ("GET", LABELS, 200, [{"name": "bug"}], None, "is a required property"),
        ("POST", LABELS, 201, LABEL, {"color": "ff0000"}, "'name' is a required property"),
        ("POST", LABELS, 200, LABEL, {"name": "bug"}, "no such status"),
        ("GET", "/api/v3/nowhere", 200, {}, None, "no such route"),
        ("DELETE", LABELS, 204, None, None, "no such route"),
        ("GET", LABELS, 501, {"message": "no"}, None, "501"),
        ("GET", LABELS, 404, "gone", None, "is not of type 'object'"),
    ],
)
def test_what_is_not_as_described_fails(method: str, path: str, status: int, body: Any, sent: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        call(method, path, status, body, sent)


@pytest.mark.parametrize(
    ("path", "sent"), [(LABELS, {"name": 7}), (f"{LABELS}?per_page=some", None)], ids=["body", "query"]
)
def test_a_wrong_request_fails_although_a_right_one_of_the_same_kind_was_checked_before(path: str, sent: Any) -> None:
    method, status, body = ("POST", 201, LABEL) if sent else ("GET", 200, [LABEL])
    call(method, LABELS, status, body, {"name": "bug"} if sent else None)
    with pytest.raises(AssertionError, match="the request is not as GitHub describes it"):
        call(method, path, status, body, sent)


@pytest.mark.parametrize("labels", [[LABEL, {**LABEL, "color": 7}], [{**LABEL, "default": 0}]])
def test_a_wrong_response_fails_although_a_right_one_was_checked_before(labels: Any) -> None:
    call("GET", LABELS, 200, [LABEL])
    for _ in range(2):
        with pytest.raises(AssertionError, match="is not of type"):
            call("GET", LABELS, 200, labels)


def test_a_wrong_request_may_be_refused() -> None:
    call("POST", LABELS, 422, {"message": "no", "documentation_url": "x", "errors": [{"code": "invalid"}]}, {})


def test_what_was_checked_is_known(local_hub: RunningHub) -> None:
    checker = Checker()
    with httpx.Client(transport=CheckedTransport(httpx.HTTPTransport(), checker), base_url=local_hub.api_url) as client:
        client.get("/meta")
    assert checker.seen == {("GET", "/meta", 200)}
