"""What people do on GitHub while a run is open, and what the App never heard of, is found by comparing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest

from bot.database.repositories import name_of_replaced
from bot.database.tables import REPOSITORIES
from bot.runs.machines.training import State
from tests.support.loop import Loop, running_loop
from tests.support.scripted_runs import Script


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """Return a loop whose App compares very often."""
    with (
        patch("bot.engine.reconciler.INTERVAL", timedelta(seconds=0.2)),
        running_loop(tmp_path_factory.mktemp("loop")) as loop,
    ):
        yield loop


@pytest.fixture
def training(loop: Loop, model: str) -> int:
    """Return an issue whose run trains until it is cancelled."""
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name=model)
    loop.until(loop.jobs.hanging.is_set)
    loop.until_state(issue, State.TRAIN_MODEL)
    return issue


@pytest.fixture
def waiting(loop: Loop, model: str) -> int:
    """Return an issue whose run waits for an answer."""
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    run = loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
    # The App's clock runs ahead of GitHub's here, by which comments are dated.
    loop.store.runs.change(run, lambda now: now.replace(created=now.created - timedelta(days=1)))
    return issue


@pytest.fixture
def silence(loop: Loop) -> Iterator[None]:
    """Let GitHub tell the App nothing, and forget that there was something to tell."""
    url = loop.hub.apps.need(loop.ready.app.id).webhook_url
    loop.hub.apps.update(loop.ready.app.id, webhook_url="")
    yield
    loop.hub.apps.update(loop.ready.app.id, webhook_url=url)


def close(loop: Loop, issue: int) -> None:
    with loop.person("writer") as client:
        client.patch(f"/issues/{issue}", json={"state": "closed"}).raise_for_status()


def comment_ids(loop: Loop, issue: int) -> list[int]:
    """Return the App's comments."""
    with loop.person("owner") as client:
        found = client.get(f"/issues/{issue}/comments").raise_for_status().json()
    return [comment["id"] for comment in found if comment["user"]["type"] == "Bot"]


def reconciled(loop: Loop, times: int = 2) -> None:
    """Wait until the App has compared everything again, from the beginning."""
    before = loop.network.count("GET", "/app/installations$")
    loop.until(lambda: loop.network.count("GET", "/app/installations$") > before + times, "the App compares")


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("state", ["training", pytest.param("waiting", marks=pytest.mark.slow)])
def test_closing_the_issue_cancels_its_run(loop: Loop, request: pytest.FixtureRequest, state: str) -> None:
    issue = request.getfixturevalue(state)
    close(loop, issue)
    run = loop.until_ended(issue)
    assert (run.status, loop.labels(issue)) == ("cancelled", {"mlops:cancelled"})
    assert "writer cancelled the run: the issue was closed" in loop.comments(issue)[0]
    assert "the issue was closed" in str(loop.file(f"training_history/{run.id}.md"))


def test_a_run_whose_issue_is_deleted_ends_and_is_kept_in_the_history(loop: Loop, training: int) -> None:
    with loop.hub.store.transaction():
        found = loop.hub.issues.first(repository_id=loop.ready.repository.id, number=training)
        assert found is not None
        for comment in loop.hub.comments.find(issue_id=found.id):
            loop.hub.comments.delete(comment.id)
        loop.hub.issues.delete(found.id)
    run = loop.until_ended(training)
    assert (run.status, run.error) == ("cancelled", None)
    assert "the issue was deleted" in str(loop.file(f"training_history/{run.id}.md"))


def test_runs_of_another_repository_with_the_same_name_end_without_an_event(loop: Loop, waiting: int) -> None:
    run = loop.run(waiting)
    with loop.store.database.transaction() as connection:
        connection.execute(REPOSITORIES.update().where(REPOSITORIES.c.name == loop.name).values(id=1))
    loop.until(lambda: loop.store.repositories.matches(loop.ready.repository.id, loop.name), "the new id is known")
    assert loop.store.runs.get(name_of_replaced(loop.name, 1), run.id).status == "cancelled"


@pytest.mark.slow
def test_closing_the_issue_of_a_run_that_has_ended_changes_nothing(loop: Loop, model: str) -> None:
    issue = loop.open(model_name=model)
    loop.until_ended(issue)
    close(loop, issue)
    reconciled(loop)
    assert loop.run(issue).status == "passed"


@pytest.mark.parametrize(("state", "label"), [("training", "mlops:running"), ("waiting", "mlops:waiting")])
def test_a_changed_label_is_set_again(loop: Loop, request: pytest.FixtureRequest, state: str, label: str) -> None:
    issue = request.getfixturevalue(state)
    with loop.person("owner") as client:
        client.put(f"/issues/{issue}/labels", json={"labels": ["mlops:train", "mlops:passed"]}).raise_for_status()
    loop.until_label(issue, label)


@pytest.mark.parametrize("state", ["training", "waiting"])
def test_a_deleted_comment_is_written_again_once(loop: Loop, request: pytest.FixtureRequest, state: str) -> None:
    issue = request.getfixturevalue(state)
    sticky = loop.until(lambda: comment_ids(loop, issue))[0]
    with loop.person("owner") as client:
        client.delete(f"/issues/comments/{sticky}").raise_for_status()
    marker = f"modelyard:run-{loop.run(issue).id}"
    loop.until(lambda: [text for text in loop.comments(issue) if marker in text], "the comment is there again")
    reconciled(loop)
    assert len([text for text in loop.comments(issue) if marker in text]) == 1
    assert sticky not in comment_ids(loop, issue)


@pytest.mark.usefixtures("silence")
def test_a_command_without_an_event_is_handled_once(loop: Loop, waiting: int) -> None:
    status = loop.say(waiting, "/status")
    loop.until(lambda: f"modelyard:reply-{status}" in loop.comments(waiting)[-1], "it is answered")
    reconciled(loop)
    assert len(comment_ids(loop, waiting)) == 3
    loop.say(waiting, "/reject the data is old", by="owner")
    run = loop.until_ended(waiting)
    assert [(decision.who.login, decision.reason) for decision in run.decisions] == [("owner", "the data is old")]


@pytest.mark.usefixtures("silence")
def test_a_comment_edited_into_a_command_is_not_a_command(loop: Loop, waiting: int) -> None:
    said = loop.say(waiting, "What now?")
    loop.hub.comments.update(said, body="/reject", updated_at="2036-01-01T00:00:00Z")
    loop.jump(minutes=2)
    reconciled(loop)
    assert loop.run(waiting).state is State.WAIT_FOR_OPERATOR_INPUT


@pytest.mark.usefixtures("silence")
def test_an_issue_without_an_event_is_trained(loop: Loop, model: str) -> None:
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert (run.status, run.requester.login) == ("passed", "writer")


@pytest.mark.slow
@pytest.mark.usefixtures("silence")
def test_an_invalid_request_without_an_event_is_answered_once(loop: Loop) -> None:
    issue = loop.open("No form at all.")
    loop.until_label(issue, "mlops:invalid")
    reconciled(loop, times=5)
    assert len(comment_ids(loop, issue)) == 1
    assert not loop.has_run(issue)


def test_a_workflow_run_that_no_open_run_owns_is_cancelled_and_a_persons_is_not(loop: Loop, training: int) -> None:
    sent = loop.jobs.works[-1]
    with loop.person("owner") as client:
        body = {"ref": "main", "inputs": sent.inputs, "return_run_details": True}
        own = client.post("/actions/workflows/modelyard-train.yml/dispatches", json=body).raise_for_status().json()
        loop.store.runs.change(loop.run(training), lambda run: run.replace(state=State.END, status="failed"))
        loop.jump(minutes=2)
        loop.until(lambda: client.get(f"/actions/runs/{sent.run_id}").json()["conclusion"] == "cancelled")
        reconciled(loop)
        assert client.get(f"/actions/runs/{own['workflow_run_id']}").json()["status"] == "in_progress"
        client.post(f"/actions/runs/{own['workflow_run_id']}/cancel")
