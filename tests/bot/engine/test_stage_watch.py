"""A stage is watched by its job and its heartbeat, and its failure is retried where a retry can help."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from actions.contracts.results import Heartbeat, Progress
from actions.errors import Problem
from bot.engine import stage_watch
from bot.engine.looks import StuckLookError
from bot.engine.stage_watch import HEARTBEAT_TIMEOUT, IDLE_INTERVAL, POLL_INTERVAL, UNCLAIMED_AFTER, watch
from bot.github import Job, Step
from bot.runs.advance import StepResult
from bot.runs.machines.training import State
from bot.runs.run import HeartbeatObservation, JobObservation, JudgedAttempt, Run
from tests.support.effects import Effects, in_context
from tests.support.runs import NOON, a_job, a_run

SECOND = timedelta(seconds=1)


def ended(conclusion: str, **changes: Any) -> Job:
    return a_job(status="completed", conclusion=conclusion, completed_at=NOON + SECOND, **changes)


def training(**changes: Any) -> Run:
    return a_run(**{"state": State.TRAIN_MODEL, "timeout_minutes": 60, **changes})


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Effects:
    recorded = Effects(monkeypatch, stage_watch)
    recorded.answers |= {"workflow.log_tail": "the log", "workflow.is_over": False, "workflow.jobs": []}
    return recorded


def look(effects: Effects, run: Run, *jobs: Job, now: datetime = NOON, stretch: float = 1.0) -> StepResult:
    """Look at the stage train, which has not succeeded yet."""
    effects.answers["workflow.jobs"] = list(jobs)
    step = in_context(watch, run, run.spec.stage, now=now, stretch=stretch)
    assert step is not None
    return step


def test_a_stage_whose_job_succeeded_is_done(effects: Effects) -> None:
    effects.answers["workflow.jobs"] = [ended("success")]
    assert in_context(watch, training(), "train", now=NOON) is None


@pytest.mark.parametrize("jobs", [(), (a_job(status="queued"),), (a_job(),)], ids=["absent", "queued", "running"])
def test_a_stage_that_may_still_succeed_is_looked_at_again_soon(effects: Effects, jobs: tuple[Job, ...]) -> None:
    step = look(effects, training(), *jobs)
    assert (step.outcome, step.again) == (None, POLL_INTERVAL)
    assert effects.calls[-1] == "comment.show"


def test_a_job_that_came_and_went_between_two_requests_is_no_error(effects: Effects) -> None:
    answers = iter([[], [ended("success")]])
    effects.answers |= {"workflow.jobs": lambda _: next(answers), "workflow.is_over": True}
    assert in_context(watch, training(), "train", now=NOON) is None


def test_a_workflow_run_that_ended_without_the_stages_job_is_an_error(effects: Effects) -> None:
    effects.answers["workflow.is_over"] = True
    assert look(effects, training()).outcome == "error"


def test_a_job_beyond_its_time_limit_is_stopped_and_waited_for(effects: Effects) -> None:
    begun = JobObservation(job=1, running=True, since=NOON)
    late = NOON + timedelta(minutes=61)
    step = look(effects, training(observed_job=begun), a_job(), now=late)
    assert (step.outcome, step.again, step.run.overdue) == (None, POLL_INTERVAL, True)
    assert effects.calls == ["workflow.jobs", "workflow.cancel"]
    assert look(effects, training(observed_job=begun), a_job(), now=NOON + timedelta(minutes=60)).run.overdue is False


# --- heartbeats ----------------------------------------------------------------------------------------------------------


def beating(seen_at: datetime = NOON, **changes: Any) -> Run:
    return training(observed_heartbeat=HeartbeatObservation(at="12:00", seen_at=seen_at), **changes)


def with_heartbeat(effects: Effects, at: str = "12:00") -> None:
    effects.answers["storage.heartbeat"] = Heartbeat(stage="train", workflow_run=1, at=at)


def test_a_runner_is_lost_after_five_minutes_without_a_heartbeat_and_its_stage_stopped(effects: Effects) -> None:
    with_heartbeat(effects)
    assert look(effects, beating(), a_job(), now=NOON + timedelta(minutes=5)).run.runner_lost is False
    step = look(effects, beating(), a_job(), now=NOON + timedelta(minutes=5) + SECOND)
    assert (step.outcome, step.again, step.run.runner_lost) == (None, IDLE_INTERVAL, True)
    assert effects.calls[-1] == "workflow.cancel"
    assert effects.arguments["workflow.cancel"] == {"force": False}, "the runner may still end the job itself"


def test_a_stage_that_a_lost_runner_does_not_end_is_ended_without_it(effects: Effects) -> None:
    with_heartbeat(effects)
    run = beating(runner_lost=True)
    look(effects, run, a_job(), now=NOON + 2 * HEARTBEAT_TIMEOUT)
    assert effects.arguments["workflow.cancel"] == {"force": False}
    look(effects, run, a_job(), now=NOON + 2 * HEARTBEAT_TIMEOUT + SECOND)
    assert effects.arguments["workflow.cancel"] == {"force": True}


def test_a_new_heartbeat_counts_from_when_it_was_seen(effects: Effects) -> None:
    with_heartbeat(effects, at="12:09")
    late = NOON + timedelta(minutes=9)
    step = look(effects, beating(), a_job(), now=late)
    assert step.run.observed_heartbeat == HeartbeatObservation(at="12:09", seen_at=late)
    assert (step.run.runner_lost, step.again) == (False, POLL_INTERVAL)


def test_in_a_faster_deployment_a_heartbeat_still_has_a_minute(effects: Effects) -> None:
    with_heartbeat(effects)
    for seconds, is_lost in ((60, False), (61, True)):
        step = look(effects, beating(), a_job(), now=NOON + timedelta(seconds=seconds), stretch=0.01)
        assert step.run.runner_lost is is_lost


# --- a job that nobody takes ---------------------------------------------------------------------------------------------


def test_a_job_that_no_runner_takes_is_explained_after_five_minutes(effects: Effects) -> None:
    queued = a_job(status="queued", started_at=None)
    run = training(observed_job=JobObservation(job=1, running=False, since=NOON))
    assert look(effects, run, queued, now=NOON + UNCLAIMED_AFTER).again == POLL_INTERVAL
    assert "workflow.why_unclaimed" not in effects.calls
    effects.answers["workflow.why_unclaimed"] = "no runner"
    step = look(effects, run, queued, now=NOON + UNCLAIMED_AFTER + SECOND)
    assert (step.outcome, step.again) == (None, IDLE_INTERVAL)
    assert effects.arguments["comment.show"] == {"jobs": [queued], "unclaimed": "no runner"}
    assert timedelta(minutes=5) == UNCLAIMED_AFTER


# --- failures ------------------------------------------------------------------------------------------------------------


def problem(kind: Any) -> Problem:
    return Problem(kind=kind, reason="r", rule="R.", found="F.", next_step="N.")


@pytest.mark.parametrize(
    ("state", "kind", "outcome"),
    [
        (State.TRAIN_MODEL, None, "error"),
        (State.TRAIN_MODEL, "crash", "error"),
        (State.TRAIN_MODEL, "not_found", "refused"),
        (State.TRAIN_MODEL, "invalid_input", "refused"),
        (State.PREPARE_DATA, "invalid_input", "invalid"),
        (State.PREPARE_DATA, "not_found", "refused"),
    ],
)
def test_a_failure_is_retried_unless_the_stage_itself_declined(
    effects: Effects, state: State, kind: str | None, outcome: str
) -> None:
    run = a_run(state=state)
    told = None if kind is None else problem(kind)
    effects.answers["storage.progress"] = Progress(stage="train", step="fit", updated="now", error=told)
    failed = Step(2, "Train", "completed", "failure", NOON, NOON)
    step = look(effects, run, ended("failure", name=run.spec.stage, steps=(failed,)))
    assert step.outcome == outcome
    assert step.run.error is not None
    assert (step.run.error.stage, step.run.error.step) == (run.spec.stage, "Train")
    assert (step.run.error.problem, step.run.error.log_tail) == (told, "the log")


@pytest.mark.parametrize(
    ("state", "kind", "outcome"),
    [
        (State.PREPARE_DATA, "invalid_input", "unusable"),
        (State.PREPARE_DATA, "not_found", "unusable"),
        (State.PREPARE_DATA, "crash", "error"),
        (State.TRAIN_MODEL, "invalid_input", "refused"),
    ],
)
def test_a_later_attempt_that_declines_to_begin_is_unusable(
    effects: Effects, state: State, kind: str, outcome: str
) -> None:
    judged = JudgedAttempt(request=a_run().request, seed=None, result=None, published_sha=None)
    run = a_run(state=state, attempt=2, judged=judged)
    effects.answers["storage.progress"] = Progress(stage="prepare", step="s", updated="now", error=problem(kind))
    assert look(effects, run, ended("failure", name=run.spec.stage)).outcome == outcome


def test_a_stage_is_not_given_up_while_the_apps_own_storage_is_stuck(effects: Effects) -> None:
    effects.answers["storage.heartbeat"] = StuckLookError("storage")
    step = look(effects, beating(), a_job(), now=NOON + timedelta(minutes=30))
    assert (step.outcome, step.run.runner_lost) == (None, False)
    assert "workflow.cancel" not in effects.calls


@pytest.mark.parametrize(
    ("run", "outcome", "reason"),
    [
        (training(overdue=True), "error", "stage_timed_out"),
        (training(runner_lost=True), "error", "runner_lost"),
        (training(), "refused", "workflow_cancelled"),
    ],
)
def test_a_stage_that_was_stopped_is_retried_only_if_the_app_stopped_it(
    effects: Effects, run: Run, outcome: str, reason: str
) -> None:
    step = look(effects, run, ended("cancelled", started_at=NOON))
    assert step.outcome == outcome
    assert step.run.error is not None
    assert step.run.error.problem is not None
    assert step.run.error.problem.reason == reason


def test_a_lost_runner_is_reported_with_the_time_that_it_had(effects: Effects) -> None:
    error = look(effects, training(runner_lost=True), ended("cancelled", started_at=NOON)).run.error
    assert error is not None
    assert error.problem is not None
    assert "for more than 5 minutes" in error.problem.found


def test_the_log_of_a_workflow_run_that_a_person_cancelled_is_not_kept(effects: Effects) -> None:
    step = look(effects, training(), ended("cancelled"))
    assert step.run.error is not None
    assert step.run.error.log_tail == ""
    assert "workflow.log_tail" not in effects.calls


def test_a_time_limit_that_github_enforced_is_named_in_minutes(effects: Effects) -> None:
    job = a_job(status="completed", conclusion="cancelled", completed_at=NOON + timedelta(minutes=60))
    step = look(effects, training(), job)
    assert step.outcome == "error"
    assert step.run.error is not None
    assert step.run.error.problem is not None
    assert "within 60 minutes" in step.run.error.problem.rule
