"""Issues, comments, labels and reactions through REST, with the webhooks that they cause."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.github_openapi import check_shape
from tests.support.local_hub import Receiver, RunningHub

ISSUES = "/repos/owner/demo/issues"
LABELS = "/repos/owner/demo/labels"


def opened(client: httpx.Client, title: str = "Train a model", **more: Any) -> dict[str, Any]:
    answer = client.post(ISSUES, json={"title": title, **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def told_of(receiver: Receiver, number: int) -> list[str]:
    return [
        item.name
        for item in receiver.received
        if item.event in ("issues", "issue_comment") and item.payload["issue"]["number"] == number
    ]


def test_an_issue_lives_from_opened_to_closed_and_its_webhooks_tell_it_in_order(
    local_hub: RunningHub, receiver: Receiver
) -> None:
    writer, app = local_hub.person("writer"), local_hub.installation()
    number = opened(writer, body="Please.", labels=["mlops:train"])["number"]
    comment = app.post(f"{ISSUES}/{number}/comments", json={"body": "Queued."}).json()
    app.patch(f"{ISSUES}/comments/{comment['id']}", json={"body": "Running."})
    app.post(f"{ISSUES}/{number}/labels", json={"labels": ["mlops:running"]})
    app.delete(f"{ISSUES}/{number}/labels/mlops:train")
    writer.patch(f"{ISSUES}/{number}", json={"body": "Please, now."})
    closed = app.patch(f"{ISSUES}/{number}", json={"state": "closed", "state_reason": "not_planned"}).json()
    assert (closed["state"], closed["state_reason"], closed["closed_by"]["login"]) == (
        "closed",
        "not_planned",
        "modelyard[bot]",
    )
    reopened = writer.patch(f"{ISSUES}/{number}", json={"state": "open"}).json()
    assert (reopened["state"], reopened["state_reason"], reopened["closed_at"]) == ("open", "reopened", None)
    app.delete(f"{ISSUES}/comments/{comment['id']}")

    receiver.wait_for("issue_comment.deleted")
    assert told_of(receiver, number) == [
        "issues.opened",
        "issues.labeled",
        "issue_comment.created",
        "issue_comment.edited",
        "issues.labeled",
        "issues.unlabeled",
        "issues.edited",
        "issues.closed",
        "issues.reopened",
        "issue_comment.deleted",
    ]


def test_a_webhook_carries_the_usual_objects(local_hub: RunningHub, receiver: Receiver) -> None:
    number = opened(local_hub.person("writer"), "With objects")["number"]
    local_hub.installation().post(f"{ISSUES}/{number}/comments", json={"body": "I am the App."})
    payload = wait_for_comment(receiver, number)
    check_shape("issue", payload["issue"])
    check_shape("issue-comment", payload["comment"])
    check_shape("repository", payload["repository"])
    check_shape("simple-user", payload["sender"])
    assert payload["installation"]["id"] == local_hub.ready.installation_id
    assert payload["comment"]["user"] | {"login": "modelyard[bot]", "type": "Bot"} == payload["comment"]["user"]
    assert payload["comment"]["performed_via_github_app"]["slug"] == "modelyard"
    assert payload["issue"]["user"]["login"] == "writer"
    assert payload["issue"]["performed_via_github_app"] is None


def wait_for_comment(receiver: Receiver, number: int) -> dict[str, Any]:
    with receiver.arrived:
        assert receiver.arrived.wait_for(lambda: "issue_comment.created" in told_of(receiver, number), 10)
    return next(
        item.payload
        for item in receiver.received
        if item.name == "issue_comment.created" and item.payload["issue"]["number"] == number
    )


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"title": ""}, "title", "missing_field"),
        ({"title": "x" * 257}, "title", "custom"),
        ({"title": "x", "body": "x" * 65_537}, "body", "custom"),
    ],
)
def test_an_issue_that_cannot_be_is_refused_by_its_field(
    local_hub: RunningHub, body: dict[str, str], field: str, code: str
) -> None:
    answer = local_hub.person("writer").post(ISSUES, json=body)
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert (answer.json()["message"], error["resource"], error["field"], error["code"]) == (
        "Validation Failed",
        "Issue",
        field,
        code,
    )


def test_a_comment_holds_65536_characters_and_not_one_more(local_hub: RunningHub) -> None:
    client = local_hub.person("reader")
    number = opened(client)["number"]
    assert client.post(f"{ISSUES}/{number}/comments", json={"body": "ä" * 65_536}).status_code == 201
    assert client.post(f"{ISSUES}/{number}/comments", json={"body": "x" * 65_537}).status_code == 422
    assert client.post(f"{ISSUES}/{number}/comments", json={"body": "  "}).status_code == 422
    assert client.post(f"{ISSUES}/{number}/comments", json={}).status_code == 422


def test_a_reader_edits_and_closes_only_what_the_reader_wrote(local_hub: RunningHub) -> None:
    reader, writer = local_hub.person("reader"), local_hub.person("writer")
    own, other = opened(reader)["number"], opened(writer)["number"]
    assert reader.patch(f"{ISSUES}/{own}", json={"title": "Better", "state": "closed"}).json()["state"] == "closed"
    assert reader.patch(f"{ISSUES}/{other}", json={"title": "Mine"}).status_code == 403
    comment = writer.post(f"{ISSUES}/{own}/comments", json={"body": "Hm."}).json()["id"]
    assert reader.patch(f"{ISSUES}/comments/{comment}", json={"body": "Yes!"}).status_code == 403
    assert reader.delete(f"{ISSUES}/comments/{comment}").status_code == 403


def test_labels_by_people_without_permission_are_dropped(local_hub: RunningHub) -> None:
    issue = opened(local_hub.person("reader"), labels=["mlops:train"])
    assert issue["labels"] == []
    answer = local_hub.person("reader").post(f"{ISSUES}/{issue['number']}/labels", json={"labels": ["mlops:train"]})
    assert answer.status_code == 403


def test_issues_are_found_by_state_label_and_creator(local_hub: RunningHub) -> None:
    writer = local_hub.person("writer")
    kept, closed = opened(writer, labels=["found:me", "and:me"]), opened(writer, labels=["found:me"])
    writer.patch(f"{ISSUES}/{closed['number']}", json={"state": "closed"})

    def numbers(**query: str) -> list[int]:
        return [item["number"] for item in writer.get(ISSUES, params={"labels": "found:me", **query}).json()]

    assert numbers() == [kept["number"]]
    assert numbers(state="closed") == [closed["number"]]
    assert numbers(state="all") == [closed["number"], kept["number"]]
    assert numbers(state="all", direction="asc") == [kept["number"], closed["number"]]
    assert numbers(labels="FOUND:me,and:me") == [kept["number"]]
    assert numbers(creator="reader") == []


def test_lists_come_in_pages_that_the_link_header_names(local_hub: RunningHub) -> None:
    client = local_hub.installation()
    number = opened(client)["number"]
    for count in range(7):
        client.post(f"{ISSUES}/{number}/comments", json={"body": f"comment {count}"})
    path: str | None = f"{ISSUES}/{number}/comments?per_page=3"
    pages = []
    while path:
        answer = client.get(path)
        pages.append([item["body"][-1] for item in answer.json()])
        path = answer.links.get("next", {}).get("url")
    assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    middle = client.get(f"{ISSUES}/{number}/comments", params={"per_page": 3, "page": 2})
    assert {name: link["url"].rpartition("page=")[2] for name, link in middle.links.items()} == {
        "prev": "1",
        "next": "3",
        "last": "3",
        "first": "1",
    }
    assert "link" not in client.get(f"{ISSUES}/{number}/comments").headers
    assert client.get(f"{ISSUES}/{number}/comments", params={"page": 9}).json() == []


def test_a_label_is_made_changed_and_removed(local_hub: RunningHub, receiver: Receiver) -> None:
    client = local_hub.installation()
    made = client.post(LABELS, json={"name": "mlops:done/yes", "color": "#0E8A16", "description": "Done"})
    assert (made.status_code, made.json()["color"]) == (201, "0e8a16")
    again = client.post(LABELS, json={"name": "MLOps:done/yes", "color": "ffffff"})
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "already_exists")
    number = opened(client, labels=["mlops:done/yes"])["number"]
    client.patch(f"{LABELS}/mlops:done%2Fyes", json={"new_name": "finished"})
    assert [item["name"] for item in client.get(f"{ISSUES}/{number}/labels").json()] == ["finished"]
    assert client.delete(f"{LABELS}/finished").status_code == 204
    assert client.get(f"{ISSUES}/{number}").json()["labels"] == []
    assert client.get(f"{LABELS}/finished").status_code == 404
    receiver.wait_for("issues.labeled")


def test_an_issues_labels_are_set_as_a_whole(local_hub: RunningHub) -> None:
    client = local_hub.installation()
    number = opened(client, labels=["one", "two"])["number"]
    shown = client.put(f"{ISSUES}/{number}/labels", json={"labels": ["two", "three", "Three"]}).json()
    assert [item["name"] for item in shown] == ["two", "three"]
    gone = client.delete(f"{ISSUES}/{number}/labels/one")
    assert (gone.status_code, gone.json()["message"]) == (404, "Label does not exist")
    assert client.delete(f"{ISSUES}/{number}/labels").status_code == 204
    assert client.get(f"{ISSUES}/{number}/labels").json() == []


def test_a_reaction_counts_once_for_each_person(local_hub: RunningHub) -> None:
    reader = local_hub.person("reader")
    number = opened(reader)["number"]
    comment = reader.post(f"{ISSUES}/{number}/comments", json={"body": "/status"}).json()["id"]
    path = f"{ISSUES}/comments/{comment}/reactions"
    assert [reader.post(path, json={"content": "eyes"}).status_code for _ in range(2)] == [201, 200]
    assert local_hub.installation().post(path, json={"content": "eyes"}).status_code == 201
    assert reader.post(path, json={"content": "applause"}).status_code == 422
    assert len(reader.get(path).json()) == 2
    assert reader.get(f"{ISSUES}/comments/{comment}").json()["reactions"]["eyes"] == 2


def test_what_is_not_there_is_not_found(local_hub: RunningHub) -> None:
    client = local_hub.person("owner")
    for path in (
        f"{ISSUES}/9999",
        f"{ISSUES}/9999/comments",
        f"{ISSUES}/comments/1",
        f"{LABELS}/none",
    ):
        assert client.get(path).status_code == 404
