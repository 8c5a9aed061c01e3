"""``POST /repos/{owner}/{repo}/dispatches`` of the local hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.local_hub import running_hub, webhook_receiver


@pytest.mark.parametrize(("payload", "carried"), [({"a": {"b": 1}}, {"a": {"b": 1}}), (None, None)])
def test_a_dispatch_is_told_to_the_apps_in_github_s_shape(tmp_path: Path, payload: Any, carried: Any) -> None:
    with webhook_receiver() as receiver, running_hub(tmp_path, webhook_url=receiver.url) as hub:
        body = {"event_type": "some-Event", **({} if payload is None else {"client_payload": payload})}
        answer = hub.person("writer").post("/repos/owner/demo/dispatches", json=body)
        assert (answer.status_code, answer.content) == (204, b"")
        told = receiver.wait_for("repository_dispatch.some-Event").payload
    assert set(told) == {"action", "branch", "client_payload", "repository", "sender", "installation"}
    assert (told["action"], told["branch"], told["client_payload"]) == ("some-Event", "main", carried)
    assert (told["sender"]["login"], told["sender"]["type"]) == ("writer", "User")


def test_who_may_not_write_or_sends_too_much_is_refused_as_by_github(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        path = "/repos/owner/demo/dispatches"
        assert hub.person("reader").post(path, json={"event_type": "x"}).status_code == 403
        assert hub.person("outsider").post(path, json={"event_type": "x"}).status_code == 404
        writer = hub.person("writer")
        for body in (
            {},
            {"event_type": ""},
            {"event_type": "x" * 101},
            {"event_type": 5},
            {"event_type": "x", "client_payload": [1]},
            {"event_type": "x", "client_payload": {str(number): 1 for number in range(11)}},
            {"event_type": "x", "client_payload": {"a": "x" * 70_000}},
        ):
            assert writer.post(path, json=body).status_code == 422, body
