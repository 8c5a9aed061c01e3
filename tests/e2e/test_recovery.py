"""The App's database is lost in the middle of a run: it goes on from what stands on GitHub, and nothing is done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from bot.runs.machines.training import State
from bot.runs.run import Run
from tests.support.loop import Loop, Serving, loop_with_app
from tests.support.scripted_runs import Script, writes
from tests.support.unreliable import answering

Apart = tuple[Loop, Callable[..., Serving]]
S = State


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    """Return a loop whose App is not up, with the function that serves it and compares very often."""
    with loop_with_app(tmp_path) as made, patch("bot.engine.reconciler.INTERVAL", timedelta(seconds=0.3)):
        yield made


def until(event: threading.Event) -> Callable[..., None]:
    """Return what keeps a job from its end until something happens."""

    def wait(*_: object) -> None:
        event.wait(60)

    return wait


def nothing_was_done_twice(loop: Loop, run: Run, attempts: int = 1) -> None:
    said = [text for text in loop.comments(run.issue) if f"modelyard:run-{run.id}" in text]
    assert len(said) == 1
    orders = [work for work in loop.jobs.works if work.inputs["run"] == run.id]
    assert len(orders) == attempts
    log = loop.hub.git(loop.ready.repository).run("log", "--format=%s", "main").decode()
    assert log.count(run.id) == 1, log
    assert len(loop.labels(run.issue)) == 1


def test_a_training_run_continues(apart: Apart) -> None:
    loop, serve = apart
    goes_on = threading.Event()
    loop.script(train=Script(do=until(goes_on)))
    with serve():
        issue = loop.open()
        before = loop.until_state(issue, S.TRAIN_MODEL)
    loop.lose_database()
    with serve():
        loop.until(lambda: loop.has_run(issue), "the run is there again")
        goes_on.set()
        run = loop.until_ended(issue)
    assert (run.id, run.status) == (before.id, "passed")
    nothing_was_done_twice(loop, run)


def test_a_run_whose_workflow_ended_in_the_meantime_continues(apart: Apart) -> None:
    loop, serve = apart
    goes_on = threading.Event()
    loop.script(train=Script(do=until(goes_on)))
    with serve():
        issue = loop.open()
        loop.until_state(issue, S.TRAIN_MODEL)
    loop.lose_database()
    goes_on.set()
    loop.until(lambda: loop.hub.runs.runs.find(status="completed"), "the workflow run is over")
    with serve():
        loop.until(lambda: loop.has_run(issue), "the run is there again")
        run = loop.until_ended(issue)
    assert run.status == "passed"
    nothing_was_done_twice(loop, run)


def test_a_dispatch_is_not_repeated_after_the_database_was_lost(apart: Apart) -> None:
    loop, serve = apart
    loop.script(train=Script(hang=True))
    loop.network.add("PATCH", "/issues/comments/", answering(502), times=1_000)
    with serve():
        issue = loop.open()
        loop.until(loop.jobs.hanging.is_set)
    loop.network.troubles.clear()
    loop.lose_database()
    loop.script()
    with serve():
        loop.until(lambda: loop.has_run(issue), "the run is there again")
        loop.say(issue, "/cancel")
        run = loop.until_ended(issue)
    assert run.status == "cancelled"
    assert len(loop.jobs.works) == 1


def test_a_question_stays_open_and_its_answer_counts(apart: Apart) -> None:
    loop, serve = apart
    loop.values[:] = [0.5, 0.95]
    with serve():
        issue = loop.open()
        before = loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
        loop.until(lambda: "Train it again?" in loop.comments(issue)[0], "the comment shows the question")
    loop.lose_database()
    with serve():
        after = loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
        assert (after.question_comment, after.entered, after.verdicts) == (
            before.question_comment,
            before.entered,
            before.verdicts,
        )
        loop.say(issue, "/approve")
        run = loop.until_ended(issue)
    assert (run.id, run.status, run.attempt) == (before.id, "passed", 2)
    nothing_was_done_twice(loop, run, attempts=2)


def test_a_command_whose_effect_was_lost_is_handled_again(apart: Apart) -> None:
    loop, serve = apart
    loop.clock.reset(speed=1)  # it must not run ahead of GitHub's, by which comments are dated
    loop.values[:] = [0.5]
    with serve():
        issue = loop.open()
        run = loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
        loop.until(lambda: "Train it again?" in loop.comments(issue)[0], "the comment shows the question")
        body = loop.comments(issue)[0]
        loop.say(issue, "/reject too little data")
        loop.until_ended(issue)
    with loop.person("owner") as client:
        client.patch(f"/issues/{issue}", json={"state": "open"}).raise_for_status()
    sticky = next(each for each in loop.hub.comments.find() if f"modelyard:run-{run.id}" in each.body)
    loop.hub.comments.update(sticky.id, body=body)
    loop.lose_database()
    with serve():
        loop.until(lambda: loop.has_run(issue), "the run is there again")
        again = loop.until_ended(issue)
    assert [decision.reason for decision in again.decisions] == ["too little data"]


@pytest.mark.slow
def test_a_queued_run_continues_after_the_other_one(apart: Apart) -> None:
    loop, serve = apart
    goes_on = threading.Event()
    loop.script(train=Script(do=until(goes_on)))
    with serve():
        first, second = loop.open(), loop.open()
        loop.until_state(first, S.TRAIN_MODEL)
        loop.until(lambda: "Queued" in (loop.comments(second) or [""])[0], "the second says that it waits")
        ids = [loop.run(issue).id for issue in (first, second)]
    loop.lose_database()
    with serve():
        loop.until(lambda: loop.has_run(first) and loop.has_run(second), "both are there again")
        assert loop.run(second).state is S.QUEUED
        goes_on.set()
        runs = [loop.until_ended(issue) for issue in (first, second)]
    assert [(run.id, run.status, run.version) for run in runs] == [(ids[0], "passed", 1), (ids[1], "passed", 2)]
    for run in runs:
        nothing_was_done_twice(loop, run)


def test_a_recorded_run_that_only_needs_its_comment_is_not_recorded_twice(apart: Apart) -> None:
    loop, serve = apart
    loop.network.add("PATCH", r"/issues/\d+$", answering(502), times=1_000)
    with serve():
        issue = loop.open()
        loop.until_state(issue, S.NOTIFY_SUCCESS)
        head = loop.head()
    loop.network.troubles.clear()
    loop.lose_database()
    with serve():
        loop.until(lambda: loop.has_run(issue), "the run is there again")
        run = loop.until_ended(issue)
    assert (run.status, loop.head()) == ("passed", head)
    nothing_was_done_twice(loop, run)


def test_a_history_that_was_committed_just_before_is_not_committed_again(apart: Apart) -> None:
    loop, serve = apart

    def and_no_more(_: httpx.Request, answer: httpx.Response | None) -> httpx.Response:
        assert answer is not None
        loop.network.add("PATCH", "/issues/comments/", answering(502), times=1_000)
        return answer

    loop.network.add("PATCH", "/git/refs/heads/", and_no_more, delivered=True)
    with serve():
        issue = loop.open()
        loop.until_state(issue, S.NOTIFY_SUCCESS)
        head = loop.head()
    loop.network.troubles.clear()
    loop.lose_database()
    with serve():
        loop.until(lambda: loop.has_run(issue), "the run is there again")
        run = loop.until_ended(issue)
    assert (run.status, loop.head()) == ("passed", head)
    nothing_was_done_twice(loop, run)


def test_invalid_data_is_not_checked_again(apart: Apart) -> None:
    loop, serve = apart
    error = {"kind": "invalid_input", "reason": "target_missing", "rule": "R.", "found": "F.", "next_step": "N."}
    progress = {"stage": "prepare", "step": "failed", "updated": "2026-11-22T12:00:00Z", "error": error}
    loop.script(prepare=Script(outcome="failure", do=writes("processed", {"progress.json": progress})))
    with serve():
        issue = loop.open()
        before = loop.until_ended(issue)
    loop.lose_database()
    with serve():
        loop.until(lambda: loop.has_run(issue), "the run is there again")
        run = loop.until_ended(issue)
    assert (run.id, run.status, len(loop.jobs.works)) == (before.id, "invalid", 1)
    assert len(loop.comments(issue)) == 1


@pytest.mark.slow
def test_run_numbers_are_not_used_twice(apart: Apart) -> None:
    loop, serve = apart
    with serve():
        loop.until_ended(loop.open())
        second = loop.until_ended(loop.open(model_name="other"))
    loop.lose_database()
    with serve():
        third = loop.until_ended(loop.open())
    assert (second.number, third.number) == (2, 3)
    assert third.version == 2


def test_an_altered_snapshot_is_not_trusted(apart: Apart) -> None:
    loop, serve = apart
    loop.values[:] = [0.5]
    with serve():
        issue = loop.open()
        before = loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
        sticky = loop.until(lambda: [text for text in loop.comments(issue) if "modelyard:state:" in text])[0]
    text, _, line = sticky.rpartition("\n")
    found = next(each for each in loop.hub.comments.find() if f"modelyard:run-{before.id}" in each.body)
    changed = line.replace("state:eN", "state:eO") if "state:eN" in line else line[:-10] + "0" * 6 + line[-4:]
    with loop.person("writer") as client:
        client.patch(f"/issues/comments/{found.id}", json={"body": f"{text}\n{changed}"}).raise_for_status()
    loop.lose_database()
    loop.values[:] = [0.95]
    with serve():
        loop.until(lambda: loop.has_run(issue), "the issue is read as a new request")
        run = loop.until_ended(issue)
    assert (run.number, run.status) == (2, "passed")
