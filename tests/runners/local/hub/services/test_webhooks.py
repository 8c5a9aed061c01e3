"""Deliveries to the App: signed, in order, recorded, delivered again when asked for."""

from __future__ import annotations

import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.local_hub import SECRET, Receiver, RunningHub, running_hub, webhook_receiver

ISSUES = "/repos/owner/demo/issues"


def deliveries(client: httpx.Client, count: int, **query: Any) -> list[dict[str, Any]]:
    """Return the App's deliveries, newest first, once there are that many."""
    limit = time.monotonic() + 10
    while True:
        found: list[dict[str, Any]] = client.get("/app/hook/deliveries", params=query).json()
        if len(found) >= count:
            return found
        assert time.monotonic() < limit, found
        time.sleep(0.01)


def test_a_delivery_is_signed_and_says_what_it_is(local_hub: RunningHub, receiver: Receiver) -> None:
    ping = receiver.wait_for("ping")
    signature = "sha256=" + hmac.new(SECRET.encode(), ping.body, hashlib.sha256).hexdigest()
    assert ping.headers["x-hub-signature-256"] == signature
    assert ping.headers["x-github-hook-id"] == str(local_hub.ready.app.id)
    assert ping.headers["x-github-hook-installation-target-type"] == "integration"
    assert ping.headers["content-type"] == "application/json"
    assert ping.headers["user-agent"].startswith("GitHub-Hookshot/")
    assert len(ping.guid) == 36
    installed = receiver.wait_for("installation.created").payload
    assert [item["full_name"] for item in installed["repositories"]] == ["owner/demo"]


def test_deliveries_come_in_order(local_hub: RunningHub, receiver: Receiver) -> None:
    client = local_hub.person("writer")
    for count in range(12):
        client.post(ISSUES, json={"title": f"in order {count:02}"})
    with receiver.arrived:
        receiver.arrived.wait_for(lambda: titles(receiver)[-1:] == ["in order 11"], 10)
    assert titles(receiver) == [f"in order {count:02}" for count in range(12)]


def titles(receiver: Receiver) -> list[str]:
    found = [item.payload["issue"]["title"] for item in receiver.received if item.name == "issues.opened"]
    return [title for title in found if title.startswith("in order")]


def test_every_attempt_is_recorded_and_a_redelivery_is_the_same_delivery_again(tmp_path: Path) -> None:
    with webhook_receiver() as receiver, running_hub(tmp_path / "hub", webhook_url=receiver.url) as local_hub:
        app = local_hub.app()
        deliveries(app, 2)
        receiver.status = 500
        local_hub.person("writer").post(ISSUES, json={"title": "Lost"})
        failed = deliveries(app, 3)[0]
        assert (failed["event"], failed["status_code"], failed["redelivery"]) == ("issues", 500, False)
        assert [item["id"] for item in deliveries(app, 1, status="failure")] == [failed["id"]]

        receiver.status = 202
        assert app.post(f"/app/hook/deliveries/{failed['id']}/attempts").status_code == 202
        again = deliveries(app, 4)[0]
        assert (again["guid"], again["redelivery"], again["status"]) == (failed["guid"], True, "OK")
        first, second = [item for item in receiver.received if item.name == "issues.opened"]
        assert (first.guid, first.body) == (second.guid, second.body)
        full = app.get(f"/app/hook/deliveries/{again['id']}").json()
        assert full["request"]["payload"]["issue"]["title"] == "Lost"
        assert full["request"]["headers"]["X-GitHub-Event"] == "issues"
        assert full["response"]["payload"] == "ok"
        time.sleep(0.05)
        assert len(app.get("/app/hook/deliveries").json()) == 4, "nothing is tried again by itself"


def test_deliveries_are_paged_by_cursor(tmp_path: Path) -> None:
    with webhook_receiver() as receiver, running_hub(tmp_path / "hub", webhook_url=receiver.url) as local_hub:
        app = local_hub.app()
        for count in range(5):
            local_hub.person("writer").post(ISSUES, json={"title": f"page {count}"})
        everything = [item["id"] for item in deliveries(app, 7, per_page=100)]
        first = app.get("/app/hook/deliveries", params={"per_page": 3})
        second = app.get(first.links["next"]["url"])
        assert [item["id"] for item in [*first.json(), *second.json()]] == everything[:6]


def test_deliveries_to_an_app_that_is_down_fail_and_are_not_repeated(tmp_path: Path) -> None:
    with running_hub(tmp_path / "hub", webhook_url="http://127.0.0.1:9/webhook") as local_hub:
        found = deliveries(local_hub.app(), 2)
        assert {item["status"] for item in found} == {"failed to connect to host"}
        assert {item["status_code"] for item in found} == {0}


def test_an_app_that_does_not_answer_is_left_after_the_time_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runners.local.hub.services.webhooks.TIME_OUT", 0.3)
    with webhook_receiver() as receiver, running_hub(tmp_path / "hub", webhook_url=receiver.url) as local_hub:
        receiver.wait_for("installation.created")
        receiver.hold.clear()
        local_hub.person("writer").post(ISSUES, json={"title": "Slow"})
        found = deliveries(local_hub.app(), 3)[0]
        receiver.hold.set()
        assert (found["status"], found["status_code"]) == ("timed out", 0)
        assert found["duration"] < 10, "the receiver would have answered then"


def test_an_app_gets_only_what_it_subscribed_to_and_only_of_its_repositories(tmp_path: Path) -> None:
    with (
        webhook_receiver() as receiver,
        running_hub(tmp_path / "hub", webhook_url=receiver.url, app_events=("issue_comment",)) as local_hub,
    ):
        local_hub.hub.create_repository("owner/other")
        writer, owner = local_hub.person("writer"), local_hub.person("owner")
        owner.post("/repos/owner/other/issues", json={"title": "Elsewhere"})
        owner.post("/repos/owner/other/issues/1/comments", json={"body": "Elsewhere"})
        writer.post(ISSUES, json={"title": "Here"})
        writer.post(f"{ISSUES}/1/comments", json={"body": "Here"})
        receiver.wait_for("issue_comment.created")
        assert receiver.names == ["ping", "installation.created", "issue_comment.created"]


def test_a_second_repository_joins_the_installation(tmp_path: Path) -> None:
    with webhook_receiver() as receiver, running_hub(tmp_path / "hub", webhook_url=receiver.url) as local_hub:
        other = local_hub.hub.create_repository("owner/other")
        local_hub.hub.install(local_hub.ready.app, other)
        added = receiver.wait_for("installation_repositories.added").payload
        assert [item["name"] for item in added["repositories_added"]] == ["other"]
        client = local_hub.installation()
        assert client.get("/installation/repositories").json()["total_count"] == 2
        assert local_hub.installation(repositories=["other"]).get("/repos/owner/demo").status_code == 404


def test_with_webhooks_off_nothing_is_delivered(tmp_path: Path) -> None:
    with (
        webhook_receiver() as receiver,
        running_hub(tmp_path / "hub", webhook_url=receiver.url, webhooks_enabled=False) as local_hub,
    ):
        local_hub.person("writer").post(ISSUES, json={"title": "Unheard"})
        assert local_hub.app().get("/app/hook/deliveries").json() == []
    assert receiver.received == []
