"""Each other door than the form starts exactly one run: a label, a dispatch, a schedule."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from actions.contracts.person import logins
from bot.observability.metrics import CONTENT_TYPE
from bot.parsing.form import form_body
from bot.runs.machines.training import State
from tests.support.app_process import AppProcess
from tests.support.comment_reading import read
from tests.support.databases import sqlite_url
from tests.support.loop import Loop, loop_of_processes
from tests.support.runs import a_request
from tests.support.scripted_runs import Script

FIELDS: dict[str, Any] = a_request().model_dump(exclude_defaults=True)


def dispatch(loop: Loop, payload: object, by: str = "writer", event_type: str = "modelyard-train") -> int:
    """Send a repository_dispatch; return the status of the answer."""
    with loop.person(by) as client:
        return client.post("/dispatches", json={"event_type": event_type, "client_payload": payload}).status_code


def issues(loop: Loop, **wanted: str) -> list[dict[str, Any]]:
    """Return the issues that the App has opened, the oldest first."""
    with loop.person("owner") as client:
        found = client.get("/issues", params={"state": "all", "per_page": 100, "direction": "asc", **wanted}).json()
    return [issue for issue in found if issue["user"]["login"] == "modelyard[bot]"]


def of_model(loop: Loop, model: str) -> list[int]:
    return [issue["number"] for issue in issues(loop) if issue["title"].startswith(f"Train: {model}")]


def the_issue(loop: Loop, model: str) -> int:
    loop.until(lambda: of_model(loop, model), f"an issue for {model}")
    return of_model(loop, model)[0]


def settled(loop: Loop) -> None:
    """Wait until the App has nothing left to handle."""
    delivered = loop.hub.deliveries
    loop.until(lambda: not delivered.find(state="pending"), "everything is delivered")
    loop.until(lambda: not loop.store.inbox.entries("new"), "everything is handled")


def figure(loop: Loop, line: str) -> float:
    """Return a figure of /metrics."""
    answer = httpx.get(loop.ready.app.webhook_url.removesuffix("/webhook") + "/metrics", timeout=20)
    assert answer.headers["content-type"] == CONTENT_TYPE
    return sum(float(each.rpartition(" ")[2]) for each in answer.text.splitlines() if each.startswith(line))


# --- the label -----------------------------------------------------------------------------------------------------------


def plain_issue(loop: Loop, body: str, by: str = "reader") -> int:
    with loop.person(by) as client:
        return int(client.post("/issues", json={"title": "Train", "body": body}).raise_for_status().json()["number"])


def test_the_label_on_an_existing_issue_starts_one_run_of_the_person_who_added_it(loop: Loop, model: str) -> None:
    issue = plain_issue(loop, form_body(a_request(model_name=model)))
    loop.label(issue, by="writer")
    run = loop.until_ended(issue)
    assert (run.requester.login, run.status) == ("writer", "passed")
    assert len(loop.jobs.works) == 1


def test_the_labelled_text_is_trained_though_its_author_edits_it_before_the_app_reads_it(
    loop: Loop, model: str
) -> None:
    loop.script(train=Script(hang=True))
    issue = plain_issue(loop, form_body(a_request(model_name=model, threshold=0.8)))
    address = loop.ready.app.webhook_url
    loop.hub.apps.update(loop.ready.app.id, webhook_url="http://127.0.0.1:9/webhook")
    try:
        loop.label(issue)
        loop.edit(issue, form_body(a_request(model_name=model, threshold=0.01)), by="reader")
        loop.until(lambda: not loop.hub.deliveries.find(state="pending"), "both deliveries failed")
    finally:
        loop.hub.apps.update(loop.ready.app.id, webhook_url=address)
    for sent in loop.hub.deliveries.find()[-2:]:
        loop.deliver(sent.event, json.loads(sent.payload))

    run = loop.until_state(issue, State.TRAIN_MODEL)
    assert (run.requester.login, logins(run.contributors), run.request.threshold) == ("owner", "reader", 0.8)
    loop.until(lambda: len(loop.comments(issue)) == 2, "the late edit is answered")
    loop.say(issue, "/cancel")
    assert loop.until_ended(issue).request.threshold == 0.8


def test_adding_the_label_twice_starts_one_run(loop: Loop, model: str) -> None:
    issue = plain_issue(loop, form_body(a_request(model_name=model)))
    for _ in range(2):
        loop.label(issue)
        with loop.person("owner") as client:
            client.delete(f"/issues/{issue}/labels/mlops:train").raise_for_status()
    loop.label(issue)
    loop.until_ended(issue)
    settled(loop)
    assert len(loop.jobs.works) == 1


def test_the_label_on_an_issue_without_a_form_is_reported_once(loop: Loop) -> None:
    issue = plain_issue(loop, "Please train something nice.")
    loop.label(issue)
    loop.until_label(issue, "mlops:invalid")
    with loop.person("owner") as client:
        client.delete(f"/issues/{issue}/labels/mlops:train").raise_for_status()
    loop.label(issue, by="writer")
    settled(loop)
    assert len(loop.comments(issue)) == 1
    assert "but no form" in loop.comments(issue)[0]


def test_another_label_on_a_refused_issue_starts_nothing(loop: Loop, model: str) -> None:
    issue = plain_issue(loop, form_body(a_request(model_name=model)))
    loop.hub.set_role(loop.ready.repository, "reader", "triage")
    try:
        loop.label(issue, by="reader")
        loop.until(lambda: loop.comments(issue), "the reader is refused")
    finally:
        loop.hub.set_role(loop.ready.repository, "reader", "read")
    loop.until(lambda: loop.issue(issue)["labels"] == [], "the label is taken back")
    with loop.person("owner") as client:
        client.post(f"/issues/{issue}/labels", json={"labels": ["bug"]}).raise_for_status()
    settled(loop)
    assert not loop.has_run(issue)
    assert "`write`" in loop.comments(issue)[0]
    loop.label(issue)
    assert loop.until_ended(issue).requester.login == "owner"


# --- repository_dispatch -------------------------------------------------------------------------------------------------


def test_a_dispatch_opens_one_issue_and_its_run_is_the_sender_s(loop: Loop, model: str) -> None:
    assert dispatch(loop, {**FIELDS, "model_name": model, "threshold": 0.5, "key": "nightly/1"}) == 204
    issue = the_issue(loop, model)
    run = loop.until_ended(issue)
    assert (run.requester.login, run.status, run.request.threshold) == ("writer", "passed", 0.5)
    assert "`nightly/1`" in loop.issue(issue)["body"]
    assert "`writer`" in loop.issue(issue)["body"]
    settled(loop)
    assert (of_model(loop, model), len(loop.jobs.works)) == ([issue], 1)


def test_a_request_with_too_many_fields_for_the_top_level_is_nested(loop: Loop, model: str) -> None:
    request = a_request(model_name=model, hyperparameters={"n_estimators": 20}, notes="Because.", seed=7)
    assert dispatch(loop, request.model_dump()) == 422
    assert dispatch(loop, {"request": request.model_dump()}) == 204
    assert loop.until_ended(the_issue(loop, model)).request == request


def test_nobody_takes_the_key_of_another_beforehand(loop: Loop, model: str) -> None:
    dispatch(loop, {**FIELDS, "model_name": f"a-{model}"[:60], "key": model}, by="owner")
    dispatch(loop, {**FIELDS, "model_name": model, "key": model})
    assert loop.until_ended(the_issue(loop, model)).requester.login == "writer"


def test_the_same_key_again_opens_nothing_and_another_key_does(loop: Loop, model: str) -> None:
    for key in ("a", "a", "a", "b"):
        dispatch(loop, {**FIELDS, "model_name": model, "key": key})
    loop.until(lambda: len(of_model(loop, model)) == 2, "two issues")
    settled(loop)
    assert len(of_model(loop, model)) == 2
    for issue in of_model(loop, model):
        loop.until_ended(issue)
    assert len(loop.jobs.works) == 2


def test_a_repeated_dispatch_opens_nothing_even_if_the_inbox_has_forgotten_it(loop: Loop, model: str) -> None:
    dispatch(loop, {**FIELDS, "model_name": model})
    issue = the_issue(loop, model)
    loop.until_ended(issue)
    sent = next(
        each for each in loop.hub.deliveries.find() if each.event == "repository_dispatch" and model in each.payload
    )
    loop.hub.webhooks.redeliver(sent)
    settled(loop)
    loop.store.inbox.delete_done(loop.clock().replace(year=9000))
    loop.hub.webhooks.redeliver(sent)
    settled(loop)
    loop.until(lambda: sent.guid in {kept.id for kept in loop.store.inbox.entries("done")}, "it is handled once more")
    assert (of_model(loop, model), len(loop.jobs.works)) == ([issue], 1)


def lost(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
    raise httpx.ReadError("gone", request=request)


def test_an_issue_is_found_again_if_the_response_was_lost(loop: Loop, model: str) -> None:
    loop.network.add("POST", "/repos/owner/demo/issues$", lost, delivered=True)
    dispatch(loop, {**FIELDS, "model_name": model})
    issue = the_issue(loop, model)
    loop.until_ended(issue)
    settled(loop)
    assert of_model(loop, model) == [issue]


def test_a_dispatch_requires_write_permission(loop: Loop, model: str) -> None:
    assert dispatch(loop, {**FIELDS, "model_name": model}, by="reader") in (403, 404)
    before = figure(loop, 'modelyard_trigger_requests_total{result="refused_permission",source="dispatch"}')
    # One who was a writer a moment ago.
    loop.hub.events.emit(
        "repository_dispatch", loop.hub.person("reader"), action="modelyard-train", repository=loop.ready.repository,
        branch="main", client_payload={**FIELDS, "model_name": model},
    )  # fmt: skip
    name = 'modelyard_trigger_requests_total{result="refused_permission",source="dispatch"}'
    loop.until(lambda: figure(loop, name) == before + 1, "it is counted")
    settled(loop)
    assert of_model(loop, model) == []


def test_a_workflow_s_own_token_may_not_dispatch(loop: Loop, model: str) -> None:
    name = 'modelyard_trigger_requests_total{result="refused_bot",source="dispatch"}'
    before = figure(loop, name)
    token = loop.hub.auth.issue_job_token(loop.ready.repository, {"contents": "write"}, 999)
    body = {"event_type": "modelyard-train", "client_payload": {**FIELDS, "model_name": model}}
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{loop.hub.api_url}/repos/{loop.name}/dispatches"
    assert httpx.post(url, json=body, headers=headers, timeout=20).status_code == 204
    loop.until(lambda: figure(loop, name) == before + 1, "it is counted")
    assert of_model(loop, model) == []


def test_a_dispatch_of_another_type_is_not_stored(loop: Loop, model: str) -> None:
    before = len(loop.store.inbox.entries("new", "done", "dead"))
    dispatch(loop, {"secret": model}, event_type="deploy")
    settled(loop)
    sent = [each for each in loop.hub.deliveries.find() if model in each.payload]
    assert [each.status_code for each in sent] == [202]
    assert len(loop.store.inbox.entries("new", "done", "dead")) == before


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({**FIELDS, "threshold": 1.5}, "between 0 and 1"),
        ({**FIELDS, "thresold": 0.5}, "thresold"),
        ({"key": "k"}, "Model name"),
        ({"request": "yes"}, "request must contain the fields"),
        ({**FIELDS, "key": 5}, "key must be a text"),
        ({**FIELDS, "data": "file:///etc/passwd"}, "file:"),
        ({**FIELDS, "target": "a\nb ### Threshold @owner <img>"}, "Target column"),
        (None, "client_payload must contain"),
    ],
)
def test_an_invalid_dispatch_is_reported_in_one_closed_issue_and_trains_nothing(
    loop: Loop, payload: object, told: str
) -> None:
    before = len(issues(loop))
    dispatch(loop, payload)
    loop.until(lambda: len(issues(loop)) == before + 1, "an issue")
    number = issues(loop)[-1]["number"]
    loop.until(lambda: loop.issue(number)["state"] == "closed", "it is closed")
    settled(loop)
    found = loop.issue(number)
    assert told in found["body"]
    assert (read(found["body"]).mentions, "<img" in found["body"]) == ([], False)
    assert (found["state_reason"], loop.labels(number)) == ("not_planned", {"mlops:invalid"})
    assert not loop.has_run(number)
    assert loop.jobs.works == []


def test_an_invalid_dispatch_with_the_same_key_is_reported_once_and_its_correction_trains(
    loop: Loop, model: str
) -> None:
    before = len(issues(loop))
    for _ in range(2):
        dispatch(loop, {**FIELDS, "model_name": model, "seed": -1, "key": model})
    dispatch(loop, {**FIELDS, "model_name": model, "seed": 1, "key": model})
    assert loop.until_ended(the_issue(loop, model)).status == "passed"
    settled(loop)
    assert len(issues(loop)) == before + 2


def test_a_person_who_copies_the_hidden_marker_gains_nothing(loop: Loop, model: str) -> None:
    dispatch(loop, {**FIELDS, "model_name": model})
    issue = the_issue(loop, model)
    loop.until_ended(issue)
    copied = loop.issue(issue)["body"].replace(model, f"{model}-copy")
    with loop.person("reader") as client:
        other = client.post("/issues", json={"title": "Train", "body": copied}).json()["number"]
    loop.hub.set_role(loop.ready.repository, "reader", "triage")
    try:
        loop.label(other, by="reader")
        loop.until(lambda: loop.comments(other), "the reader is refused")
    finally:
        loop.hub.set_role(loop.ready.repository, "reader", "read")
    assert not loop.has_run(other)


# --- crashes, replicas ---------------------------------------------------------------------------------------------------

Start = Callable[..., AppProcess]


@pytest.mark.slow
@pytest.mark.parametrize("point", ["repository_dispatch.after", "repository_dispatch.before", "write.after#12"])
def test_a_dispatch_opens_one_issue_although_the_app_dies_while_handling_it(tmp_path: Path, point: str) -> None:
    with loop_of_processes(tmp_path) as (loop, start):
        process = start(time_factor="0.1", kill_at=f"{point}:{tmp_path}")
        dispatch(loop, {**FIELDS, "model_name": "one"})
        loop.until((tmp_path / point).exists, f"the App comes to {point}")
        assert process.wait(10) == -signal.SIGKILL
        start(time_factor="0.1")
        issue = the_issue(loop, "one")
        loop.until_ended(issue)
        settled(loop)
        assert (of_model(loop, "one"), len(loop.jobs.works)) == ([issue], 1)


@pytest.mark.slow
def test_an_issue_that_was_opened_before_the_database_was_lost_is_trained_once(tmp_path: Path) -> None:
    with loop_of_processes(tmp_path) as (loop, start):
        process = start(time_factor="0.1", kill_at=f"repository_dispatch.after:{tmp_path}")
        dispatch(loop, {**FIELDS, "model_name": "one"})
        loop.until((tmp_path / "repository_dispatch.after").exists, "the issue is opened")
        assert process.wait(10) == -signal.SIGKILL
        loop.lose_database()
        start(time_factor="0.001")
        issue = the_issue(loop, "one")
        loop.until(lambda: loop.has_run(issue), "it is read")
        assert loop.until_ended(issue).requester.login == "writer"
        assert (of_model(loop, "one"), len(loop.jobs.works)) == ([issue], 1)


@pytest.mark.slow
def test_two_replicas_open_one_issue_for_a_dispatch(tmp_path: Path) -> None:
    with loop_of_processes(tmp_path, sqlite_url(tmp_path)) as (loop, start):
        start("serve", "--no-worker")
        start("worker")
        start("worker")
        for _ in range(3):
            dispatch(loop, {**FIELDS, "model_name": "one", "key": "k"})
            dispatch(loop, {**FIELDS, "model_name": "two"})
        loop.until(lambda: len(of_model(loop, "two")) == 3, "three issues")
        settled(loop)
        found = [*of_model(loop, "one"), *of_model(loop, "two")]
        assert len(found) == 4
        for issue in found:
            loop.until_ended(issue)
        assert len(loop.jobs.works) == 4
