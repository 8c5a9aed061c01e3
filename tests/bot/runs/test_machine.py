"""The machine's table and its pure step: every edge, the retries, the cancelling, the drawing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.runs.machine import TABLE, Outcome, State, StepResult, advance, mermaid, time_out_of
from tests.support.runs import a_run

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EDGES = [(state, outcome, target) for state, row in TABLE.items() for outcome, target in row.next.items()]


@pytest.mark.parametrize(("state", "outcome", "target"), EDGES)
def test_an_outcome_leads_where_the_table_says(state: State, outcome: Outcome, target: State) -> None:
    run = a_run(state=state, tries=TABLE[state].retries)
    seen: Outcome = "error" if outcome == "exhausted" else outcome  # the last error is what exhausts the tries
    after = advance(StepResult(run, seen), NOW)
    assert after.state is target
    assert (after.entered, after.tries) == (NOW, 0)
    assert after.visits[-1].state is state


@pytest.mark.parametrize("state", [state for state, row in TABLE.items() if row.retries])
def test_an_error_is_tried_again_as_often_as_the_table_grants_and_then_leads_on(state: State) -> None:
    run = a_run(state=state)
    for tries in range(TABLE[state].retries):
        run = advance(StepResult(run, "error"), NOW)
        assert (run.state, run.tries) == (state, tries + 1)
        assert run.due is not None
        assert run.due >= NOW
    after = advance(StepResult(run, "error"), NOW)
    assert after.state is TABLE[state].next.get("error", TABLE[state].next.get("exhausted"))


@pytest.mark.parametrize("state", [state for state, row in TABLE.items() if row.stage and row.retries])
def test_a_stage_that_is_tried_again_is_sent_again(state: State) -> None:
    assert advance(StepResult(a_run(state=state), "error"), NOW).needs_dispatch


@pytest.mark.parametrize("state", [state for state, row in TABLE.items() if row.cancellable])
def test_cancel_leads_from_every_state_before_the_end_to_the_history(state: State) -> None:
    after = advance(StepResult(a_run(state=state), "cancel"), NOW)
    assert (after.state, after.status) == (State.WRITE_HISTORY, "cancelled")


def test_a_channel_that_asks_to_be_left_alone_is_left_alone_for_so_long_at_least() -> None:
    run = a_run(state=State.NOTIFY_SUCCESS, tries=1)
    assert advance(StepResult(run, "error"), NOW).due == NOW + timedelta(seconds=10)
    assert advance(StepResult(run, "error", again=timedelta(seconds=7)), NOW).due == NOW + timedelta(seconds=10)
    assert advance(StepResult(run, "error", again=timedelta(seconds=70)), NOW).due == NOW + timedelta(seconds=70)


def test_who_was_told_is_remembered_while_the_run_stays_in_its_state() -> None:
    run = a_run(state=State.NOTIFY_SUCCESS, notified=("issue", "slack"))
    assert advance(StepResult(run, "error"), NOW).notified == ("issue", "slack")
    assert advance(StepResult(run, "ok"), NOW).notified == ()


def test_waiting_stays_in_the_state_and_is_due_later() -> None:
    run = a_run(state=State.TRAIN_MODEL)
    assert advance(StepResult(run, again=timedelta(seconds=5)), NOW) == run.replace(due=NOW + timedelta(seconds=5))


def test_an_outcome_that_the_table_does_not_know_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no edge"):
        advance(StepResult(a_run(state=State.QUEUED), "approve"), NOW)


def test_training_may_take_as_long_as_the_form_says() -> None:
    run = a_run(state=State.TRAIN_MODEL, timeout_minutes=7)
    assert time_out_of(run) == timedelta(minutes=7)
    assert time_out_of(run.replace(state=State.EVALUATE_MODEL)) == timedelta(minutes=15)


def test_every_state_can_be_reached_and_every_path_can_end() -> None:
    targets = {target for row in TABLE.values() for target in row.next.values()}
    assert targets | {State.QUEUED} == set(State)
    can_end = {State.END}
    for _ in State:
        can_end |= {state for state, row in TABLE.items() if can_end & set(row.next.values())}
    assert can_end == set(State)


def test_the_drawing_in_the_docs_is_the_machine() -> None:
    drawn = Path("docs/state-machine.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{mermaid()}```" in drawn


def test_the_drawing_has_every_edge() -> None:
    drawing = mermaid()
    for state, _, target in EDGES:
        goal = "[*]" if target is State.END else target
        assert f"{state} --> {goal}" in drawing
