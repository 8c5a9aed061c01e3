"""No runner takes a job, or the one that took it is gone: people are told, and the run goes on where it can."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.runs.machines.training import State
from runners.local.act.interface import Work
from runners.local.act.workflow_plan import PlannedJob
from tests.support.loop import Loop, Serving, loop_with_app
from tests.support.scripted_runs import Script, writes
from tests.support.unreliable import answering

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


def beats(work: Work, job: PlannedJob) -> None:
    """Give one sign of life, as a stage's process would every few seconds."""
    at = datetime.now(UTC).isoformat()
    writes("models", {"heartbeat.json": {"stage": "train", "workflow_run": work.run_id, "at": at}})(work, job)


def until_alive(loop: Loop, issue: int, dispatch: int = 1) -> None:
    """Wait until the App has seen the last sign of life of a dispatch's training."""

    def seen() -> bool:
        run, files = loop.run(issue), list(loop.storage.rglob("heartbeat.json"))
        alive = run.observed_heartbeat is not None and run.observed_heartbeat.at in files[0].read_text(encoding="utf-8")
        return alive and len(run.dispatches) == dispatch

    loop.until(lambda: loop.has_run(issue) and seen(), "the App has seen the sign of life")


def until_seen(loop: Loop, issue: int) -> None:
    """Wait until the App has seen that the job waits: its time counts from then on."""
    loop.until(lambda: loop.has_run(issue) and loop.run(issue).observed_job, "the App has seen the job")


def first_comment(loop: Loop, issue: int) -> str:
    return (loop.comments(issue) or [""])[0]


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (True, "No runner with the label `self-hosted` is online in this repository"),
        (False, "No runner with the label `self-hosted` has picked up the next job yet"),
    ],
)
def test_a_run_without_a_runner_says_why_and_continues_when_one_appears(apart: Apart, allowed: bool, said: str) -> None:
    loop, serve = apart
    without_runners(loop)
    if allowed:
        allow_to_see_runners(loop)
    with serve():
        issue = loop.open()
        until_seen(loop, issue)
        loop.jump(minutes=6)
        loop.until(lambda: said in first_comment(loop, issue), "the comment says why it waits")
        assert "`/cancel`" in first_comment(loop, issue)
        loop.hub.runs.add_runner("late")
        ended = loop.until_ended(issue)
        assert ended.status == "passed", ended.error


def test_a_run_without_a_runner_can_be_cancelled(apart: Apart) -> None:
    loop, serve = apart
    without_runners(loop)
    with serve():
        issue = loop.open()
        until_seen(loop, issue)
        loop.jump(minutes=6)
        loop.until(lambda: "Waiting for a runner" in first_comment(loop, issue), "the comment says that it waits")
        loop.say(issue, "/cancel")
        assert loop.until_ended(issue).status == "cancelled"


def test_a_stage_whose_runner_is_gone_is_stopped_and_sent_again_from_there(apart: Apart) -> None:
    loop, serve = apart
    loop.script(train=Script(hang=True, do=beats))
    with serve():
        issue = loop.open()
        until_alive(loop, issue)
        loop.script()
        loop.jump(minutes=6)
        run = loop.until_ended(issue)
    assert [work.inputs["start_at"] for work in loop.jobs.works] == ["prepare", "train"]
    assert (run.status, loop.labels(issue)) == ("passed", {"mlops:passed"})


def test_a_job_on_a_lost_runner_is_force_cancelled(apart: Apart) -> None:
    loop, serve = apart
    loop.script(train=Script(hang=True, do=beats))
    loop.network.add("POST", r"/actions/runs/\d+/cancel$", answering(202, {}), times=1_000)
    with serve():
        issue = loop.open()
        until_alive(loop, issue)
        loop.script()
        loop.jump(minutes=6)
        loop.until(lambda: loop.run(issue).runner_lost, "the App has cancelled it")
        loop.jump(minutes=6)
        ended = loop.until_ended(issue)
        assert ended.status == "passed", ended.error


def test_repeatedly_lost_runners_end_the_run_with_that_reason(apart: Apart) -> None:
    loop, serve = apart
    loop.script(train=Script(hang=True, do=beats))
    with serve():
        issue = loop.open()
        for dispatch in (1, 2):
            until_alive(loop, issue, dispatch)
            loop.jump(minutes=6)
        assert loop.until_ended(issue).status == "failed"
    assert "runner_lost" in first_comment(loop, issue)
    assert len(loop.jobs.works) == 2


@pytest.mark.parametrize("beating", [True, False])
def test_a_stage_with_heartbeats_or_without_any_yet_is_left_alone(apart: Apart, beating: bool) -> None:
    loop, serve = apart
    loop.script(train=Script(hang=True, do=beats if beating else None))
    with serve():
        issue = loop.open()
        loop.until(loop.jobs.hanging.is_set)
        for _ in range(4):
            if beating:
                beats(loop.jobs.works[-1], loop.jobs.works[-1].jobs[1])
                until_alive(loop, issue)
            loop.jump(minutes=2)
        assert loop.until_state(issue, State.TRAIN_MODEL).runner_lost is False
        assert len(loop.jobs.works) == 1
        loop.say(issue, "/cancel")
        loop.until_ended(issue)
