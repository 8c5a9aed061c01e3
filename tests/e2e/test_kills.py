"""Killed once in each state, after its work is done and before that is stored (the worst moment), the App loses nothing."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from bot.runs.machines.training import MACHINE, State
from tests.support.app_process import AppProcess
from tests.support.loop import Loop, loop_of_processes
from tests.support.scripted_runs import Script, writes
from tests.support.ways import HAPPY, walk

S = State
REJECTED = (*walk("left", "ok", "approve", start=S.CHECK_RETRY_LIMIT), S.ROLLBACK_MODEL, S.NOTIFY_FAILURE)
MOMENTS = ("after", pytest.param("before", marks=pytest.mark.slow))
QUICK = (S.TRAIN_MODEL, S.REGISTER_MODEL, S.WAIT_FOR_OPERATOR_INPUT)
"""Killed at every ``make test``, which has a part of the chaos runs as well; all other states are slow."""


def moments(states: Iterable[State]) -> list[object]:
    """Return every state with the moment before and after its work."""
    return [
        pytest.param(state, moment, marks=[] if state in QUICK and moment == "after" else pytest.mark.slow)
        for state, moment in itertools.product(states, ("before", "after"))
    ]


Started = tuple[Loop, Callable[..., AppProcess]]


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Started]:
    """Return a loop whose App is a process, with the function that starts it."""
    with loop_of_processes(tmp_path) as (loop, start):
        yield loop, lambda **more: start(time_factor="0.1", **more)


def killed_once(apart: Started, tmp_path: Path, point: str, act: Callable[[Loop], int]) -> tuple[Loop, int]:
    """Start the App so that it dies at a point, let people act, start it again where it died; return the issue."""
    loop, start = apart
    process = start(kill_at=f"{point}:{tmp_path}")
    issue = act(loop)
    loop.until((tmp_path / point).exists, f"the App comes to {point}")
    assert process.wait(10) == -signal.SIGKILL
    start()
    return loop, issue


def nothing_was_done_twice(loop: Loop, issue: int, attempts: int = 1) -> None:
    run = loop.run(issue)
    said = loop.comments(issue)
    assert len([text for text in said if f"modelyard:run-{run.id}" in text]) == 1
    assert len(said) == len(set(said))
    assert len(loop.jobs.works) == attempts
    log = loop.hub.git(loop.ready.repository).run("log", "--format=%s", "main").decode()
    assert log.count(run.id) == 1, log
    assert len(loop.labels(issue)) == 1


@pytest.mark.parametrize(("state", "moment"), moments(HAPPY[:-1]))
def test_a_run_passes_although_the_app_dies_in(apart: Started, tmp_path: Path, state: State, moment: str) -> None:
    loop, issue = killed_once(apart, tmp_path, f"{state}.{moment}", lambda loop: loop.open())
    loop.until_ended(issue)
    assert loop.labels(issue) == {"mlops:passed"}
    assert str(loop.file("training_history/models/breast-cancer.yaml")).count("run:") == 1
    nothing_was_done_twice(loop, issue)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "moment"), [*itertools.product(HAPPY[:-2], ("before", "after")), (S.NOTIFY_SUCCESS, "before")]
)
def test_a_run_passes_although_the_app_dies_and_its_database_is_lost_in(
    apart: Started, tmp_path: Path, state: State, moment: str
) -> None:
    loop, start = apart
    process = start(kill_at=f"{state}.{moment}:{tmp_path}")
    issue = loop.open()
    loop.until((tmp_path / f"{state}.{moment}").exists, f"the App comes to {state}")
    assert process.wait(10) == -signal.SIGKILL
    loop.lose_database()
    start()
    loop.until(lambda: loop.has_run(issue), "the run is there again")
    assert loop.until_ended(issue).status == "passed"
    assert str(loop.file("training_history/models/breast-cancer.yaml")).count("run:") == 1
    nothing_was_done_twice(loop, issue)


@pytest.mark.parametrize(("state", "moment"), moments(REJECTED))
def test_a_rejected_run_is_asked_about_and_ends_although_the_app_dies_in(
    apart: Started, tmp_path: Path, state: State, moment: str
) -> None:
    dies_before_the_answer = MACHINE.spec(state).phase == "asking"

    def answer(loop: Loop, issue: int) -> None:
        loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
        loop.say(issue, "/approve")

    def act(loop: Loop) -> int:
        loop.values[:] = [0.5]
        issue = loop.open(max_retries=1)
        if not dies_before_the_answer:
            answer(loop, issue)
        return issue

    loop, issue = killed_once(apart, tmp_path, f"{state}.{moment}", act)
    if dies_before_the_answer:
        answer(loop, issue)
    run = loop.until_ended(issue)
    assert (run.status, run.attempt, loop.labels(issue)) == ("rejected", 2, {"mlops:failed"})
    assert loop.file("training_history/models/breast-cancer.yaml") is None
    nothing_was_done_twice(loop, issue, attempts=2)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_failed_run_ends_although_the_app_dies_in_its_error_handler(
    apart: Started, tmp_path: Path, moment: str
) -> None:
    def act(loop: Loop) -> int:
        loop.script(train=Script(outcome="failure", log=("MemoryError",)))
        return loop.open()

    loop, issue = killed_once(apart, tmp_path, f"ErrorHandler.{moment}", act)
    assert loop.until_ended(issue).status == "failed"
    assert "MemoryError" in loop.comments(issue)[0]
    nothing_was_done_twice(loop, issue, attempts=2)


@pytest.mark.parametrize("moment", MOMENTS)
def test_invalid_data_is_reported_once_although_the_app_dies_meanwhile(
    apart: Started, tmp_path: Path, moment: str
) -> None:
    error = {"kind": "invalid_input", "reason": "target_missing", "rule": "R.", "found": "F.", "next_step": "N."}
    progress = {"stage": "prepare", "step": "failed", "updated": "2026-11-22T12:00:00Z", "error": error}

    def act(loop: Loop) -> int:
        loop.script(prepare=Script(outcome="failure", do=writes("processed", {"progress.json": progress})))
        return loop.open()

    loop, issue = killed_once(apart, tmp_path, f"InvalidData.{moment}", act)
    assert loop.until_ended(issue).status == "invalid"
    assert loop.labels(issue) == {"mlops:invalid"}
    assert len(loop.comments(issue)) == 1
    assert loop.stored() == []


@pytest.mark.parametrize("point", ["issues.before", "issues.after"])
def test_an_issue_is_not_lost_although_the_app_dies_while_it_reads_it(
    apart: Started, tmp_path: Path, point: str
) -> None:
    loop, issue = killed_once(apart, tmp_path, point, lambda loop: loop.open())
    assert loop.until_ended(issue).number == 1
    nothing_was_done_twice(loop, issue)


def test_a_command_is_not_lost_although_the_app_dies_while_it_reads_it(apart: Started, tmp_path: Path) -> None:
    loop, start = apart
    loop.values[:] = [0.5]
    first = start()
    waiting = loop.open()
    loop.until_state(waiting, S.WAIT_FOR_OPERATOR_INPUT)
    first.terminate()
    first.wait(10)

    def act(loop: Loop) -> int:
        loop.say(waiting, "/reject not good enough")
        return waiting

    loop, issue = killed_once(apart, tmp_path, "issue_comment.after", act)
    run = loop.until_ended(issue)
    assert [decision.reason for decision in run.decisions] == ["not good enough"]
    nothing_was_done_twice(loop, issue)
