"""How runs differ from what GitHub shows, and what belongs to no run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.github import Comment, Identity, Issue, WorkflowRun
from bot.runs.drift import expected_label, is_settled, unanswered_commands, unowned, unread_requests, withdrawal
from bot.runs.machines.training import State
from bot.runs.run import Decision, Run, WorkflowDispatch
from tests.support.runs import NOON, a_run

APP = Identity.of_app(2_001, "modelyard")
LATER = NOON + timedelta(minutes=5)
S = State


def said(body: str = "/cancel", number: int = 7, when: datetime = LATER, **changes: Any) -> Comment:
    return Comment(number, body, "writer", 7, "User", "", when, changes.pop("updated_at", when), **changes)


def by_app(body: str) -> Comment:
    return Comment(8, body, APP.login, 9, "Bot", "", LATER, LATER, APP.app_id)


def a_workflow_run(title: str, actor: str = APP.login) -> WorkflowRun:
    return WorkflowRun(1, "", title, "workflow_dispatch", "queued", None, "", "main", "", "", actor, 1, NOON, NOON)


def an_issue(*labels: str, number: int = 1, state: str = "open") -> Issue:
    return Issue(number, "", "", state, None, labels, "writer", 7, "User", "", NOON, NOON, closed_by="owner")


def a_decision(**changes: Any) -> Decision:
    return Decision(**{"who": "writer", "what": "cancel", "when": LATER, "attempt": 1, "comment": 7, **changes})


def sent(title: str = "train-20261122-001 attempt 1 dispatch 1") -> WorkflowDispatch:
    return WorkflowDispatch(attempt=1, start_at="prepare", title=title, workflow_run=1, sent_at=NOON)


# --- commands ------------------------------------------------------------------------------------------------------------


def test_a_command_that_was_neither_carried_out_nor_answered_is_found() -> None:
    assert unanswered_commands(a_run(), [said()], APP) == [said()]


@pytest.mark.parametrize(
    ("run", "comments"),
    [
        (a_run(), [said("please cancel this")]),
        (a_run(), [said(when=NOON - timedelta(seconds=1))]),
        (a_run(), [said(updated_at=LATER + timedelta(seconds=1))]),
        (a_run(), [Comment(7, "/cancel", "other[bot]", 8, "Bot", "", LATER, LATER)]),
        (a_run(), [said(), by_app("<!-- modelyard:reply-7 -->\nIt is too late.")]),
        (a_run(cancel=a_decision()), [said()]),
        (a_run(decisions=(a_decision(),)), [said()]),
    ],
    ids=["no command", "older than the run", "edited", "a bot's", "answered", "noted", "obeyed"],
)
def test_other_comments_are_not_taken_for_missed_commands(run: Run, comments: list[Comment]) -> None:
    assert unanswered_commands(run, comments, APP) == []


def test_a_command_from_the_second_in_which_its_run_began_is_not_lost() -> None:
    run = a_run(created=NOON + timedelta(milliseconds=700))
    assert unanswered_commands(run, [said(when=NOON)], APP) == [said(when=NOON)]


def test_only_the_apps_own_comments_count_as_answers() -> None:
    forged = said("<!-- modelyard:reply-7 -->", number=8)
    assert unanswered_commands(a_run(), [said(), forged], APP) == [said()]


@pytest.mark.parametrize(
    ("age", "stretch", "settled"), [(59, 1.0, False), (60, 1.0, True), (5, 0.1, False), (6, 0.1, True)]
)
def test_what_is_less_than_a_minute_old_is_left_to_its_event(age: int, stretch: float, settled: bool) -> None:
    assert is_settled(NOON, NOON + timedelta(seconds=age), stretch) is settled
    assert stretch != 1.0 or is_settled(NOON, NOON + timedelta(seconds=age)) is settled


def test_what_has_no_time_is_not_waited_for() -> None:
    assert is_settled(None, NOON)


# --- workflow runs, requests ---------------------------------------------------------------------------------------------


def test_a_workflow_run_that_the_app_started_without_an_open_run_is_unowned() -> None:
    owned, nobodys = (a_workflow_run(f"train-20261122-00{number} attempt 1 dispatch 1") for number in (1, 2))
    run = a_run(state=S.TRAIN_MODEL, dispatches=(sent(),))
    assert unowned([owned, nobodys], [run], APP) == [nobodys]


@pytest.mark.parametrize(
    "found",
    [
        a_workflow_run("train-20261122-002 attempt 1 dispatch 1", actor="owner"),
        a_workflow_run("train-20261122-002 attempt 1 dispatch 1 by hand"),
        a_workflow_run("something else"),
    ],
)
def test_workflow_runs_that_the_app_did_not_start_are_left_alone(found: WorkflowRun) -> None:
    assert unowned([found], [], APP) == []


def test_unread_requests_are_valid_ones_without_a_run() -> None:
    issues = [
        an_issue("mlops:train", number=1), an_issue("mlops:train", number=2), an_issue("bug", number=3),
        an_issue("mlops:train", "mlops:invalid", number=4),
    ]  # fmt: skip
    assert [issue.number for issue in unread_requests(issues, {2})] == [1]


# --- the issue -----------------------------------------------------------------------------------------------------------


def test_closing_or_deleting_an_issue_cancels_its_run() -> None:
    run = a_run(state=S.TRAIN_MODEL, attempt=2)
    assert withdrawal(run, an_issue(), LATER) is None
    found = [withdrawal(run, issue, LATER) for issue in (an_issue(state="closed"), None)]
    assert [(one.what, one.who.login, one.attempt) for one in found if one] == [
        ("cancel", "owner", 2),
        ("cancel", "someone", 2),
    ]


@pytest.mark.parametrize(
    "run", [a_run(state=S.NOTIFY_SUCCESS), a_run(state=S.END), a_run(state=S.TRAIN_MODEL, cancel=a_decision())]
)
def test_a_run_that_is_ending_anyway_is_not_cancelled(run: Run) -> None:
    assert withdrawal(run, an_issue(state="closed"), LATER) is None


@pytest.mark.parametrize(
    ("run", "label"),
    [
        (a_run(), None),
        (a_run(state=S.PREPARE_DATA, needs_dispatch=True), None),
        (a_run(state=S.PREPARE_DATA), None),
        (a_run(state=S.TRAIN_MODEL, dispatches=(sent(),), needs_dispatch=True), None),
        (a_run(state=S.TRAIN_MODEL, dispatches=(sent(),)), "mlops:running"),
        (a_run(state=S.WAIT_FOR_OPERATOR_INPUT), "mlops:waiting"),
        (a_run(state=S.WRITE_HISTORY, status="passed"), None),
        (a_run(state=S.NOTIFY_FAILURE, status="rejected"), "mlops:failed"),
        (a_run(state=S.END, status="cancelled"), "mlops:cancelled"),
        (a_run(state=S.END, status="invalid"), "mlops:invalid"),
    ],
)
def test_the_label_that_an_issue_must_carry(run: Run, label: str | None) -> None:
    assert expected_label(run) == label
