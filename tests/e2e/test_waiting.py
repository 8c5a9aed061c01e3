"""A question stands for a day, whatever becomes of the App and of its clock, and lapses once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.runs.machines.training import State
from tests.support.loop import Loop, Serving, loop_with_app

Apart = tuple[Loop, Callable[..., Serving]]
S = State


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    """Return a loop whose App is not up, with the function that serves it."""
    with loop_with_app(tmp_path) as made:
        made[0].values[:] = [0.5]
        yield made


def asked(loop: Loop) -> int:
    issue = loop.open()
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    return issue


def test_a_question_survives_a_restart_and_expires_while_the_app_is_down(apart: Apart) -> None:
    loop, serve = apart
    with serve():
        issue = asked(loop)
    loop.jump(hours=12)
    with serve():
        loop.until_label(issue, "mlops:waiting")
        assert loop.run(issue).state is S.WAIT_FOR_OPERATOR_INPUT
    loop.jump(hours=13)
    with serve():
        assert loop.until_ended(issue).status == "rejected"
    assert loop.states(issue).count(S.ROLLBACK_MODEL) == 1


def test_a_question_survives_a_clock_that_goes_back_and_expires_once(apart: Apart) -> None:
    loop, serve = apart
    with serve():
        issue = asked(loop)
        loop.jump(hours=-30)
        loop.say(issue, "/status")
        loop.until(lambda: len(loop.comments(issue)) > 2, "the App answers")
        assert loop.run(issue).state is S.WAIT_FOR_OPERATOR_INPUT
        loop.jump(hours=30 + 25)
        assert loop.until_ended(issue).status == "rejected"
    assert loop.states(issue).count(S.ROLLBACK_MODEL) == 1


def test_a_question_can_be_answered_after_a_clock_has_gone_back(apart: Apart) -> None:
    loop, serve = apart
    with serve():
        issue = asked(loop)
        loop.jump(hours=-30)
        loop.values[:] = [0.5, 0.95]
        loop.say(issue, "/approve")
        assert loop.until_ended(issue).status == "passed"
