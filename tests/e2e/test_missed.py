"""What happens on GitHub while the App is down, or cannot be reached, is made up for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.loop import Loop, Serving, loop_of_processes, loop_with_app

Apart = tuple[Loop, Callable[..., Serving]]


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    """Return a loop whose App is not up, with the function that serves it, and looks for what was missed very often."""
    with loop_with_app(tmp_path) as made, patch("bot.engine.reconciler.INTERVAL", timedelta(seconds=0.2)):
        yield made


def failures(loop: Loop) -> list[str]:
    return [sent.event for sent in loop.hub.deliveries.find(state="done") if sent.status != "OK"]


def test_an_issue_opened_while_the_app_was_down_is_trained_once_it_is_up(apart: Apart) -> None:
    loop, serve = apart
    issue = loop.open()
    loop.until(lambda: "issues" in failures(loop), "the hub has tried to deliver")
    with serve():
        run = loop.until_ended(issue)
    assert run.status == "passed"
    assert len(loop.jobs.works) == 1


def test_a_delivery_that_has_only_just_failed_is_left_alone(apart: Apart) -> None:
    loop, serve = apart
    loop.clock.reset(speed=0)
    issue = loop.open()
    loop.until(lambda: "issues" in failures(loop), "the hub has tried to deliver")
    with serve():
        loop.until(lambda: loop.network.count("GET", "/app/hook/deliveries") > 1, "the App has looked")
        assert loop.network.writes("/attempts") == []
        loop.jump(minutes=2)
        loop.until(lambda: loop.has_run(issue))


@pytest.mark.slow
def test_an_answer_that_was_given_while_the_app_was_down_counts(apart: Apart) -> None:
    loop, serve = apart
    loop.values[:] = [0.5]
    with serve():
        issue = loop.open()
        loop.until_label(issue, "mlops:waiting")
    loop.say(issue, "/reject not good enough")
    with serve():
        run = loop.until_ended(issue)
    assert [decision.reason for decision in run.decisions] == ["not good enough"]


@pytest.mark.slow
def test_an_app_that_github_cannot_reach_fetches_what_happens(apart: Apart) -> None:
    loop, serve = apart
    loop.values[:] = [0.5]
    loop.hub.apps.update(loop.ready.app.id, webhook_url="http://127.0.0.1:9/webhook")
    with patch("bot.engine.poller.INTERVAL", 0.1), serve(poll=True):
        issue = loop.open()
        loop.until_label(issue, "mlops:waiting")
        loop.say(issue, "/reject")
        assert loop.until_ended(issue).status == "rejected"

        def looks() -> list[bool]:
            """Return for each request of the list whether it was conditional."""
            listed = [each for each in loop.network.requests if each.url.path.endswith("/app/hook/deliveries")]
            return ["if-none-match" in each.headers for each in listed]

        loop.until(lambda: looks()[-5:] == [True] * 5, "where nothing happens, nothing is read")
        fetched = [each.url.path for each in loop.network.requests if "/app/hook/deliveries/" in each.url.path]
        assert len(fetched) == len(set(fetched)), "each is fetched once"
    assert loop.network.writes("/attempts") == []
    assert len(loop.jobs.works) == 1


@pytest.mark.slow
def test_the_command_serves_without_an_address_that_github_can_reach(tmp_path: Path) -> None:
    with loop_of_processes(tmp_path) as (loop, start):
        loop.hub.apps.update(loop.ready.app.id, webhook_url="http://127.0.0.1:9/webhook")
        start("serve", "--poll")
        assert loop.until_ended(loop.open()).status == "passed"


@pytest.mark.slow
def test_deliveries_that_were_handled_are_forgotten_once_github_cannot_send_them_again(apart: Apart) -> None:
    loop, serve = apart
    with serve():
        loop.until_ended(loop.open())
        handled = {kept.id for kept in loop.store.inbox.entries("done")}
        assert handled
        loop.jump(days=5)
        loop.until_ended(loop.open())
        assert handled <= {kept.id for kept in loop.store.inbox.entries("done")}, "GitHub may still send them again"
        loop.jump(days=2)
        loop.until(lambda: not handled & {kept.id for kept in loop.store.inbox.entries("done")}, "they are forgotten")


@pytest.mark.slow
def test_a_lock_without_a_holder_is_released(apart: Apart) -> None:
    loop, serve = apart
    with serve():
        gone = loop.until_ended(loop.open())
        loop.store.locks.take(gone.replace(id="train-20260101-999"))
        issue = loop.open()
        assert loop.until_ended(issue).status == "passed"


def test_labels_that_somebody_deleted_are_made_again(apart: Apart) -> None:
    loop, serve = apart
    with serve():
        loop.until_ended(loop.open())
        with loop.person("owner") as client:
            client.delete("/labels/mlops:passed").raise_for_status()
            loop.until(lambda: client.get("/labels/mlops:passed").is_success, "the label is there again")
            assert client.get("/labels/mlops:passed").json()["description"]
