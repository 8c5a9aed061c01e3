"""What a caller meets while the hub breaks its answers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from runners.local.hub.faults import SLOW_SECONDS, Kind
from tests.support.local_hub import RunningHub

ISSUES = "/repos/owner/demo/issues"


@pytest.fixture
def hub(local_hub: RunningHub) -> Iterator[RunningHub]:
    yield local_hub
    local_hub.hub.faults.clear()


def caller(hub: RunningHub) -> httpx.Client:
    """Return a client that is not held against GitHub's description: it is to meet what is not in it."""
    headers = {"Authorization": f"Bearer {hub.ready.tokens['writer']}"}
    return httpx.Client(base_url=hub.api_url, headers=headers, timeout=2 * SLOW_SECONDS)


def open_issue(client: httpx.Client) -> httpx.Response:
    return client.post(ISSUES, json={"title": "broken"})


def count(hub: RunningHub) -> int:
    return len(hub.hub.issues.find())


@pytest.mark.parametrize(
    ("kind", "status", "wait"),
    [(Kind.TOO_MANY, 429, "1"), (Kind.SECONDARY, 403, "1"), (Kind.EXPIRED, 401, None), (Kind.BROKEN, 502, None)],
)
def test_a_refused_request_does_nothing_and_the_next_one_is_carried_out(
    hub: RunningHub, kind: Kind, status: int, wait: str | None
) -> None:
    before = count(hub)
    hub.hub.faults.add("POST", "/issues$", kind)
    with caller(hub) as client:
        answer = open_issue(client)
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, wait)
        assert count(hub) == before
        assert open_issue(client).status_code == 201
    assert count(hub) == before + 1
    assert hub.hub.faults.counts == {kind: 1}


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize(
    ("kind", "error"),
    [(Kind.SILENT, httpx.ReadTimeout), (Kind.CLOSED, httpx.TransportError)],
)
def test_an_answer_is_lost_after_the_request_was_carried_out_or_before(
    hub: RunningHub, kind: Kind, error: type[Exception], executed: bool
) -> None:
    before = count(hub)
    hub.hub.faults.add("POST", "/issues$", kind, executed=executed)
    with caller(hub) as client:
        with pytest.raises(error):
            open_issue(client)
        assert client.get(ISSUES).status_code == 200
    assert count(hub) == before + executed


def test_a_body_ends_before_its_announced_length(hub: RunningHub) -> None:
    hub.hub.faults.add("GET", "/issues$", Kind.CUT)
    with caller(hub) as client, pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        client.get(ISSUES)


def test_an_answer_comes_late_and_right(hub: RunningHub) -> None:
    hub.hub.faults.add("GET", "/issues$", Kind.SLOW)
    began = time.monotonic()
    with caller(hub) as client:
        assert client.get(ISSUES).status_code == 200
    assert time.monotonic() - began >= SLOW_SECONDS


def test_other_requests_and_later_ones_are_left_alone(hub: RunningHub) -> None:
    hub.hub.faults.add("GET", "/issues$", Kind.BROKEN, times=2)
    with caller(hub) as client:
        assert client.get("/repos/owner/demo").status_code == 200
        assert [client.get(ISSUES).status_code for _ in range(3)] == [502, 502, 200]
        assert client.get(hub.url).status_code == 200


def test_at_random_an_apps_requests_meet_every_kind_and_peoples_none(hub: RunningHub) -> None:
    hub.hub.faults.at_random(1.0, seed=1)
    with caller(hub) as person:
        assert {person.get(ISSUES).status_code for _ in range(20)} == {200}
    token = "Bearer ghs_x"
    now = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now)
        fresh = {fault.kind for _ in range(200) if (fault := hub.hub.faults.next("GET", "/", token))}
        patch.setattr(time, "monotonic", lambda: now + 60)
        later = {fault.kind for _ in range(200) if (fault := hub.hub.faults.next("GET", "/", token))}
    assert fresh == set(Kind) - {Kind.EXPIRED}
    assert later == set(Kind)
