"""No runner takes a job, or the one that took it is gone: people are told, and the run goes on where it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.pipeline import State
from tests.support.loop import Loop, Serving, loop_with_app

Apart = tuple[Loop, Callable[..., Serving]]


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    """Return a loop whose App is not up, with the function that serves it."""
    with loop_with_app(tmp_path) as made:
        yield made


def without_runners(loop: Loop) -> None:
    for runner in loop.hub.runs.runners.find():
        loop.hub.runs.runners.delete(runner.id)


def allow_to_see_runners(loop: Loop) -> None:
    granted = loop.hub.installations.need(loop.ready.installation_id).permissions
    loop.hub.installations.update(loop.ready.installation_id, permissions={**granted, "administration": "read"})


def first_comment(loop: Loop, issue: int) -> str:
    return (loop.comments(issue) or [""])[0]


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (True, "No runner of this repository that has the label `self-hosted` is online"),
        (False, "No runner with the label `self-hosted` has taken the next job yet"),
    ],
)
def test_a_run_that_no_runner_takes_says_why_and_goes_on_when_one_comes(apart: Apart, allowed: bool, said: str) -> None:
    loop, serve = apart
    without_runners(loop)
    if allowed:
        allow_to_see_runners(loop)
    with serve():
        issue = loop.open()
        loop.until_state(issue, State.PREPARE_DATA)
        loop.until(lambda: "Preparing" in first_comment(loop, issue))
        loop.jump(minutes=6)
        loop.until(lambda: said in first_comment(loop, issue), "the comment says why it waits")
        assert "`/cancel`" in first_comment(loop, issue)
        loop.hub.runs.add_runner("late")
        assert loop.until_ended(issue).status == "passed"


def test_a_run_that_no_runner_takes_can_be_cancelled(apart: Apart) -> None:
    loop, serve = apart
    without_runners(loop)
    with serve():
        issue = loop.open()
        loop.until_state(issue, State.PREPARE_DATA)
        loop.jump(minutes=6)
        loop.until(lambda: "Waiting for a runner" in first_comment(loop, issue), "the comment says that it waits")
        loop.say(issue, "/cancel")
        assert loop.until_ended(issue).status == "cancelled"
