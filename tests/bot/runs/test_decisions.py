"""Which decisions of people still change a run, and what a run as a value derives from its fields."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bot.runs.decisions import can_take, with_decision
from bot.runs.machine import Outcome, StateSpec
from bot.runs.machines.training import MACHINE, OPERATOR_TIMEOUT, State
from bot.runs.run import Decision, Run, StageError, Visit, WorkflowDispatch
from tests.support.runs import NOON, a_run

LATER = NOON + timedelta(minutes=5)
S = State


def a_decision(what: str = "approve", **changes: Any) -> Decision:
    return Decision(**{"who": "owner", "what": what, "when": LATER, "attempt": 2, "comment": 7, **changes})


def asked(**changes: Any) -> Run:
    """Return a run whose second attempt a person is asked about."""
    return a_run(**{"state": S.WAIT_FOR_OPERATOR_INPUT, "attempt": 2, **changes})


@pytest.mark.parametrize("what", ["approve", "reject"])
def test_the_first_answer_about_the_present_attempt_is_taken_and_looked_at_at_once(what: str) -> None:
    answer = a_decision(what)
    after = with_decision(asked(due=NOON + timedelta(hours=1)), answer)
    assert (after.answer, after.due) == (answer, LATER)


@pytest.mark.parametrize(
    ("run", "decision"),
    [
        (asked(), a_decision(attempt=1)),
        (asked(), a_decision(attempt=3)),
        (asked(answer=a_decision("reject", comment=6)), a_decision()),
        (asked(state=S.TRAIN_MODEL), a_decision()),
        (asked(state=S.WRITE_HISTORY), a_decision("cancel")),
    ],
    ids=["an earlier attempt's", "a later attempt's", "a second answer", "no question", "too late to cancel"],
)
def test_a_decision_that_comes_too_early_or_too_late_changes_nothing(run: Run, decision: Decision) -> None:
    assert not can_take(run, decision)
    assert with_decision(run, decision) == run


def test_an_answer_to_an_earlier_attempt_does_not_stand_in_the_way() -> None:
    answer = a_decision()
    assert with_decision(asked(answer=a_decision(attempt=1, comment=6)), answer).answer == answer


def test_a_cancellation_of_any_attempt_is_taken_and_looked_at_at_once() -> None:
    after = with_decision(a_run(state=S.TRAIN_MODEL, due=None), a_decision("cancel"))
    assert (after.cancel, after.answer, after.due) == (a_decision("cancel"), None, LATER)


@pytest.mark.parametrize("field", ["answer", "cancel", "decisions"])
def test_a_comment_whose_decision_was_taken_is_known(field: str) -> None:
    run = asked(**{field: (a_decision(),) if field == "decisions" else a_decision()})
    assert run.has_decision_from(7)
    assert not run.has_decision_from(8)


# --- the run as a value --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attempt", "seed", "trained_with"), [(1, None, 42), (3, None, 44), (3, 7, 7), (3, 0, 0)])
def test_an_attempt_trains_with_its_own_seed_or_the_one_that_an_approval_set(
    attempt: int, seed: int | None, trained_with: int
) -> None:
    assert a_run(attempt=attempt).replace(seed=seed).training_seed == trained_with


@pytest.mark.parametrize("retries", [0, 3])
def test_a_request_allows_one_attempt_more_than_its_retries(retries: int) -> None:
    assert a_run(max_retries=retries).attempts_allowed == retries + 1


def test_a_new_run_is_in_its_first_attempt_and_nothing_has_happened_to_it() -> None:
    run = a_run()
    assert (run.attempt, run.training_seed, run.row_version) == (1, 42, 0)
    assert (run.request_comment, run.question_comment) == (0, 0)
    assert not any([run.needs_dispatch, run.overdue, run.runner_lost, run.promoted])
    assert Decision(who="owner", what="approve", when=NOON, attempt=1).comment == 0, "not made by a comment"


def test_of_long_texts_the_beginning_is_kept_and_of_logs_the_end() -> None:
    assert a_decision(reason="a" * 2_000 + "b").reason == "a" * 2_000
    error = StageError(stage="train", step="a" * 200 + "b", log_tail="a" + "b" * 20_000)
    assert (error.step, error.log_tail) == ("a" * 200, "b" * 20_000)
    assert StageError(stage="train", log_tail="short").log_tail == "short"


def dispatched(attempt: int = 1) -> WorkflowDispatch:
    return WorkflowDispatch(attempt=attempt, start_at="prepare", title="t", sent_at=NOON)


@pytest.mark.parametrize(
    ("run", "editable"),
    [
        (a_run(), True),
        (a_run(attempt=2, dispatches=(dispatched(),)), False),
        (a_run(state=S.PREPARE_DATA), False),
    ],
    ids=["before its work", "queued between two attempts", "at work"],
)
def test_a_request_can_be_corrected_only_before_its_first_work(run: Run, editable: bool) -> None:
    assert run.editable is editable


def test_only_a_dispatch_of_the_present_attempt_counts() -> None:
    assert a_run(attempt=2, dispatches=(dispatched(1),)).dispatch is None
    assert a_run(attempt=2, dispatches=(dispatched(1), dispatched(2))).dispatch == dispatched(2)


def test_the_lock_is_held_since_the_run_last_left_the_queue() -> None:
    def visit(state: State, minutes: int) -> Visit:
        return Visit(state=state, entered=NOON, left=NOON + timedelta(minutes=minutes))

    visits = (visit(S.QUEUED, 1), visit(S.TRAIN_MODEL, 9), visit(S.QUEUED, 20), visit(S.PREPARE_DATA, 30))
    assert a_run(state=S.TRAIN_MODEL, visits=visits).lock_since == NOON + timedelta(minutes=20)
    assert a_run(state=S.TRAIN_MODEL, visits=visits[:2]).lock_since == NOON + timedelta(minutes=1)
    assert a_run(state=S.PREPARE_DATA).lock_since == NOON


def test_the_time_limits_are_those_that_the_documentation_promises() -> None:
    assert timedelta(hours=24) == OPERATOR_TIMEOUT
    minutes = {state: spec.timeout_for(a_run(timeout_minutes=60).request) for state, spec in MACHINE.table.items()}
    assert {state: limit.total_seconds() / 60 for state, limit in minutes.items() if limit is not None} == {
        S.PREPARE_DATA: 15, S.TRAIN_MODEL: 60, S.EVALUATE_MODEL: 15, S.JUDGE_RESULTS: 5, S.NOTIFY_OPERATOR: 5,
        S.WAIT_FOR_OPERATOR_INPUT: 24 * 60, S.REGISTER_MODEL: 10, S.ROLLBACK_MODEL: 10, S.INVALID_DATA: 5,
        S.WRITE_HISTORY: 5, S.NOTIFY_SUCCESS: 5, S.NOTIFY_FAILURE: 5,
    }  # fmt: skip


def states(meets: Callable[[StateSpec], bool]) -> set[str]:
    return {state.value for state, spec in MACHINE.table.items() if meets(spec)}


def test_the_states_differ_in_what_people_can_do_in_them() -> None:
    assert states(lambda spec: spec.answerable) == {
        "JudgeResults", "CheckRetryLimit", "NotifyOperator", "WaitForOperatorInput",
    }  # fmt: skip
    assert states(lambda spec: spec.asks_operator) == {"NotifyOperator", "WaitForOperatorInput"}
    assert states(lambda spec: not spec.cancellable) == {
        "InvalidData", "WriteHistory", "NotifySuccess", "NotifyFailure",
    }  # fmt: skip


def test_an_attempt_is_one_workflow_run_and_what_may_fail_is_retried() -> None:
    assert states(lambda spec: spec.dispatches) == {"PrepareData"}
    assert states(lambda spec: spec.retries == 1) == {"TrainModel"}
    assert states(lambda spec: spec.retries == 3) == {
        "PrepareData", "EvaluateModel", "NotifyOperator", "RegisterModel", "RollbackModel", "InvalidData", "WriteHistory",
        "NotifySuccess", "NotifyFailure",
    }  # fmt: skip


def test_a_verdict_needs_both_judge_and_publish() -> None:
    assert MACHINE.spec(S.JUDGE_RESULTS).stages == ("judge", "publish")


@pytest.mark.parametrize("outcome", ["failed", "error", "refused"])
def test_an_attempt_without_a_valid_verdict_never_reaches_the_registry(outcome: Outcome) -> None:
    assert MACHINE.after(S.JUDGE_RESULTS, outcome) is S.ROLLBACK_MODEL
