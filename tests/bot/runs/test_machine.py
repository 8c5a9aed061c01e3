"""Machines as data, and the pure step along their edges: every edge, the retries, cancelling, the drawing, a second kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest

from bot.engine.states import function_of
from bot.runs.advance import StepResult, advance, cancelled, end
from bot.runs.machine import END, Machine, Outcome, StateSpec
from bot.runs.machines import MACHINES
from bot.runs.machines.training import MACHINE, State
from bot.runs.run import HeartbeatObservation, JobObservation
from tests.support.runs import a_run

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TABLE = MACHINE.table
EDGES = [(state, outcome, target) for state, spec in TABLE.items() for outcome, target in spec.next.items()]


@pytest.mark.parametrize(("state", "outcome", "target"), EDGES)
def test_an_outcome_leads_where_the_table_says(state: State, outcome: Outcome, target: State) -> None:
    run = a_run(state=state, tries=TABLE[state].retries)
    observed: Outcome = "error" if outcome == "exhausted" else outcome  # the last error is what exhausts the tries
    after = advance(StepResult(run, observed), NOW)
    assert after.state is target
    assert (after.entered, after.tries) == (NOW, 0)
    assert after.visits[-1].state == state


@pytest.mark.parametrize("state", [state for state, spec in TABLE.items() if spec.retries])
def test_an_error_is_retried_as_often_as_the_table_grants_and_then_leads_on(state: State) -> None:
    run = a_run(state=state)
    for tries in range(TABLE[state].retries):
        run = advance(StepResult(run, "error"), NOW)
        assert (run.state, run.tries) == (state, tries + 1)
        assert run.due is not None
        assert run.due >= NOW
    after = advance(StepResult(run, "error"), NOW)
    assert after.state is TABLE[state].next.get("error", TABLE[state].next.get("exhausted"))


@pytest.mark.parametrize("state", [state for state, spec in TABLE.items() if spec.stage and spec.retries])
def test_retrying_a_stage_needs_a_new_workflow_run(state: State) -> None:
    assert advance(StepResult(a_run(state=state), "error"), NOW).needs_dispatch


@pytest.mark.parametrize("state", [state for state, spec in TABLE.items() if spec.cancellable])
def test_cancel_leads_from_every_state_before_the_end_to_the_history(state: State) -> None:
    after = advance(StepResult(a_run(state=state), "cancel"), NOW)
    assert (after.state, after.status) == (State.WRITE_HISTORY, "cancelled")


@pytest.mark.parametrize("state", [state for state in State if not MACHINE.spec(state).cancellable])
def test_cancelling_a_state_that_cannot_be_cancelled_is_a_bug(state: State) -> None:
    with pytest.raises(ValueError, match="no edge"):
        advance(StepResult(a_run(state=state), "cancel"), NOW)


def test_a_run_can_be_ended_from_any_state() -> None:
    after = end(a_run(state=State.TRAIN_MODEL, needs_dispatch=True), "cancelled", NOW)
    assert (after.state, after.status, after.due, after.needs_dispatch) == (State.END, "cancelled", None, False)
    assert after.visits[-1].state == State.TRAIN_MODEL


def test_a_run_of_a_repository_that_is_gone_is_cancelled_by_github_with_the_reason() -> None:
    run = a_run(state=State.TRAIN_MODEL, attempt=2)
    after = cancelled(run, NOW, "it was deleted")
    assert (after.state, after.status) == (State.END, "cancelled")
    assert [(one.who.login, one.what, one.attempt, one.reason) for one in after.decisions] == [
        ("GitHub", "cancel", 2, "it was deleted")
    ]


def test_a_run_that_had_passed_or_ended_before_its_repository_was_gone_keeps_its_status() -> None:
    assert cancelled(a_run(state=State.WRITE_HISTORY, status="passed"), NOW, "gone").status == "passed"
    over = a_run(state=State.END, status="rejected")
    assert cancelled(over, NOW, "gone") == over


def test_a_channel_that_asks_for_a_pause_gets_it() -> None:
    run = a_run(state=State.NOTIFY_SUCCESS, tries=1)
    assert advance(StepResult(run, "error"), NOW).due == NOW + timedelta(seconds=10)
    assert advance(StepResult(run, "error", again=timedelta(seconds=7)), NOW).due == NOW + timedelta(seconds=10)
    assert advance(StepResult(run, "error", again=timedelta(seconds=70)), NOW).due == NOW + timedelta(seconds=70)


def test_who_was_notified_is_remembered_while_the_run_stays_in_its_state() -> None:
    run = a_run(state=State.NOTIFY_SUCCESS, notified=("issue", "slack"))
    assert advance(StepResult(run, "error"), NOW).notified == ("issue", "slack")
    assert advance(StepResult(run, "ok"), NOW).notified == ()


def test_waiting_stays_in_the_state_and_is_due_later() -> None:
    run = a_run(state=State.TRAIN_MODEL)
    assert advance(StepResult(run, again=timedelta(seconds=5)), NOW) == run.replace(due=NOW + timedelta(seconds=5))


def test_all_waiting_times_are_stretched() -> None:
    waiting = advance(StepResult(a_run(state=State.TRAIN_MODEL), again=timedelta(seconds=5)), NOW, stretch=0.5)
    assert waiting.due == NOW + timedelta(seconds=2.5)
    retried = advance(StepResult(a_run(state=State.EVALUATE_MODEL, tries=1), "error"), NOW, stretch=0.5)
    assert retried.due == NOW + timedelta(seconds=5)


def test_the_retries_wait_nothing_then_ten_then_thirty_seconds() -> None:
    waited = [advance(StepResult(a_run(state=State.EVALUATE_MODEL, tries=n), "error"), NOW).due for n in range(3)]
    assert waited == [NOW, NOW + timedelta(seconds=10), NOW + timedelta(seconds=30)]


OBSERVED: dict[str, object] = {
    "overdue": True,
    "runner_lost": True,
    "observed_job": JobObservation(job=1, running=True, since=NOW),
    "observed_heartbeat": HeartbeatObservation(at="2026-11-22T12:00:00Z", seen_at=NOW),
}


@pytest.mark.parametrize("outcome", ["ok", "error"])
def test_what_was_observed_of_a_stage_counts_neither_for_its_retry_nor_for_the_next_stage(outcome: Outcome) -> None:
    after = advance(StepResult(a_run(state=State.TRAIN_MODEL, **OBSERVED), outcome), NOW)
    assert (after.overdue, after.runner_lost, after.observed_job, after.observed_heartbeat) == (
        False,
        False,
        None,
        None,
    )


def test_an_outcome_without_an_edge_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no edge"):
        advance(StepResult(a_run(state=State.QUEUED), "approve"), NOW)


def test_the_request_sets_the_time_limit_of_training() -> None:
    run = a_run(state=State.TRAIN_MODEL, timeout_minutes=7)
    assert run.timeout == timedelta(minutes=7)
    assert run.replace(state=State.EVALUATE_MODEL).timeout == timedelta(minutes=15)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_state_can_be_reached_and_every_path_can_end(machine: Machine) -> None:
    targets = {target for spec in machine.table.values() for target in spec.next.values()}
    assert targets | {machine.first} == set(machine.states)
    can_end = {machine.states(END)}
    for _ in machine.states:
        can_end |= {state for state, spec in machine.table.items() if can_end & set(spec.next.values())}
    assert can_end == set(machine.states)


def test_every_state_has_a_function() -> None:
    for state in TABLE:
        assert callable(function_of(a_run(state=state)))


def test_a_run_of_an_unknown_kind_or_state_is_refused() -> None:
    with pytest.raises(ValueError, match="no machine for 'baking'"):
        a_run(kind="baking")
    with pytest.raises(ValueError, match="'Baking' is not a valid State"):
        a_run(state="Baking")


class Oven(StrEnum):
    """The states of a second kind of work."""

    QUEUED = "Queued"
    BAKE = "Bake"
    END = END


@pytest.fixture
def oven(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Add a second kind of work."""
    table: dict[StrEnum, StateSpec] = {
        Oven.QUEUED: StateSpec("waits for the oven", {"ok": Oven.BAKE}, "queued", waits_for="lock"),
        Oven.BAKE: StateSpec(
            "bakes", {"ok": Oven.END, "exhausted": Oven.END}, "finishing", timedelta(hours=1), retries=1
        ),
    }
    machine = Machine("baking", Oven, first=Oven.QUEUED, cancelled=Oven.BAKE, table=table)
    monkeypatch.setitem(MACHINES, "baking", machine)
    return machine


def test_another_kind_of_work_goes_through_its_own_states(oven: Machine) -> None:
    run = a_run(kind="baking")
    assert (run.state, run.machine) == (Oven.QUEUED, oven)
    run = advance(StepResult(run, "ok"), NOW)
    run = advance(StepResult(run, "error"), NOW)
    assert (run.state, run.tries) == (Oven.BAKE, 1)
    run = type(run).model_validate_json(run.model_dump_json())
    assert run.state is Oven.BAKE
    run = advance(StepResult(run, "error"), NOW)
    assert run.ended
    assert [visit.state for visit in run.visits] == ["Queued", "Bake"]


def test_the_drawing_in_the_docs_is_the_machine() -> None:
    page = Path("docs/state-machine.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{MACHINE.mermaid()}```" in page


def test_the_drawing_has_every_edge() -> None:
    drawing = MACHINE.mermaid()
    for state, _, target in EDGES:
        goal = "[*]" if target is State.END else target
        assert f"{state} --> {goal}" in drawing
