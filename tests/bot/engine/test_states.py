"""What each state of a training run does to the world, and where it leads; the effects are recorded instead of carried out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from actions.errors import InvalidInput
from actions.tasks.exchange import PublishedResult
from bot.engine import stage_watch
from bot.engine.states import function_of, notifying
from bot.engine.states.training import asking, finishing, stages
from bot.runs.advance import StepResult
from bot.runs.machines.training import State
from bot.runs.run import Decision, JudgedAttempt, Run, StageError
from tests.support.effects import Effects, in_context
from tests.support.results import a_result
from tests.support.runs import NOON, a_run, an_order

S = State


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Effects:
    recorded = Effects(monkeypatch, asking, finishing, stages, notifying)
    monkeypatch.setattr(stage_watch, "watch", recorded.effect("watch"))
    recorded.answers |= {"channels.notify": lambda run: (run, None), "comment.ask": 77, "history.commit": "h" * 40}
    recorded.answers["configuration.fix"] = lambda run: (run, True)
    return recorded


def work(run: Run, now: datetime = NOON) -> StepResult:
    """Let a run's state do its work."""
    return in_context(function_of(run), run, now=now)


def a_decision(**changes: Any) -> Decision:
    return Decision(**{"who": "owner", "what": "approve", "when": NOON, "attempt": 1, "comment": 7, **changes})


def published(run: Run, value: float = 0.95) -> PublishedResult:
    return PublishedResult.model_validate(a_result(an_order(run), value))


# --- queue and stages ----------------------------------------------------------------------------------------------------


def test_a_run_leaves_the_queue_with_the_models_lock(effects: Effects) -> None:
    assert work(a_run()).outcome == "ok"
    assert effects.calls == ["model_lock.take"]


def test_a_run_that_is_not_first_shows_who_is_and_waits_for_an_event(effects: Effects) -> None:
    first = a_run(id="train-20261122-002")
    effects.answers["model_lock.take"] = first
    step = work(a_run())
    assert (step.outcome, step.again) == (None, stage_watch.IDLE_INTERVAL)
    assert effects.calls == ["model_lock.take", "comment.show", "comment.label"]
    assert effects.arguments["comment.show"] == {"behind": first}
    assert effects.arguments["comment.label"] == ("queued",)


def test_a_stage_that_needs_a_workflow_run_starts_one_and_waits(effects: Effects) -> None:
    effects.answers["workflow.dispatch"] = lambda run: run.replace(needs_dispatch=False)
    step = work(a_run(state=S.TRAIN_MODEL, needs_dispatch=True))
    assert (step.outcome, step.again, step.run.needs_dispatch) == (None, stage_watch.POLL_INTERVAL, False)
    assert effects.calls == ["configuration.fix", "workflow.dispatch", "comment.show"]
    assert effects.arguments["workflow.dispatch"] == {"start_at": "train"}


@pytest.mark.parametrize("state", [S.PREPARE_DATA, S.TRAIN_MODEL, S.EVALUATE_MODEL])
def test_a_stage_that_succeeded_leads_on_without_the_error_of_an_earlier_try(effects: Effects, state: State) -> None:
    step = work(a_run(state=state, error=StageError(stage="train")))
    assert (step.outcome, step.run.error) == ("ok", None)
    assert effects.calls == ["watch"]


def test_a_stage_that_goes_on_is_left_alone(effects: Effects) -> None:
    going_on = StepResult(a_run(state=S.TRAIN_MODEL), again=timedelta(seconds=5))
    effects.answers["watch"] = going_on
    assert work(a_run(state=S.TRAIN_MODEL)) == going_on


def test_an_attempt_that_cannot_begin_is_given_up_for_the_one_that_was_judged_before(effects: Effects) -> None:
    first = a_run(hyperparameters={"max_depth": 3})
    judged = JudgedAttempt(request=first.request, seed=5, result=published(first), published_sha="p" * 40)
    second = a_run(state=S.PREPARE_DATA, attempt=2, seed=7, judged=judged)
    effects.answers["watch"] = StepResult(second, "unusable")
    step = work(second)
    assert (step.outcome, step.run.attempt, step.run.judged) == ("unusable", 1, None)
    kept = {name: getattr(step.run, name) for name in JudgedAttempt.model_fields}
    assert kept == dict(judged)


def test_data_that_contradicts_the_request_ends_the_run_without_a_trace_but_the_report(effects: Effects) -> None:
    effects.answers["channels.notify"] = lambda run: (run, timedelta(minutes=1))
    step = work(a_run(state=S.INVALID_DATA))
    assert (step.outcome, step.run.status) == ("ok", "invalid"), "an edit of the issue does not wait for a channel"
    assert effects.calls == [
        "storage.clear", "model_lock.release", "comment.report_invalid_data", "channels.notify", "channels.give_up",
    ]  # fmt: skip


# --- the verdict ---------------------------------------------------------------------------------------------------------


def judging(**changes: Any) -> Run:
    return a_run(state=S.JUDGE_RESULTS, **changes)


@pytest.mark.parametrize(("value", "status"), [(0.95, "passed"), (0.2, "rejected")])
def test_the_verdict_of_an_accepted_publication_decides_and_is_kept(
    effects: Effects, value: float, status: str
) -> None:
    run = judging(error=StageError(stage="judge"))
    result = published(run, value)
    effects.answers["publication.accept"] = ("p" * 40, result)
    step = work(run)
    assert step.outcome == status
    assert (step.run.result, step.run.published_sha, step.run.error) == (result, "p" * 40, None)
    assert [(one.attempt, one.verdict) for one in step.run.verdicts] == [(1, result.verdict)]
    assert effects.calls == ["watch", "watch", "publication.accept"]


def test_nothing_is_accepted_before_publish_has_ended(effects: Effects) -> None:
    waiting = StepResult(judging(), again=timedelta(seconds=5))
    answers = iter([None, waiting])
    effects.answers["watch"] = lambda _: next(answers)
    assert work(judging()) == waiting
    assert effects.calls == ["watch", "watch"]


def test_a_publication_that_is_refused_fails_the_attempt_and_keeps_the_reason(effects: Effects) -> None:
    refusal = InvalidInput("published_refused", rule="R.", found="F.", next_step="N.")
    effects.answers["publication.accept"] = refusal
    step = work(judging())
    assert step.outcome == "failed"
    assert step.run.error == StageError(stage="publish", problem=refusal.problem)
    assert (step.run.result, step.run.verdicts) == (None, ())


# --- the question --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "outcome", "status"), [(1, "left", None), (2, "left", None), (3, "none", "rejected")]
)
def test_another_attempt_is_left_until_the_last_one(
    effects: Effects, attempt: int, outcome: str, status: str | None
) -> None:
    step = work(a_run(state=S.CHECK_RETRY_LIMIT, attempt=attempt, max_retries=2))
    assert (step.outcome, step.run.status) == (outcome, status)


def test_a_question_frees_the_model_before_it_is_asked(effects: Effects) -> None:
    step = work(a_run(state=S.NOTIFY_OPERATOR))
    assert (step.outcome, step.run.question_comment, step.run.notified) == ("ok", 77, ("issue",))
    assert effects.calls == ["model_lock.release", "comment.ask", "comment.label", "channels.notify"]
    assert effects.arguments["comment.label"] == ("waiting",)


def test_a_question_is_asked_once_even_if_a_channel_is_retried(effects: Effects) -> None:
    assert work(a_run(state=S.NOTIFY_OPERATOR, notified=("issue",))).outcome == "ok"
    assert effects.calls == ["channels.notify"]


def waiting(**changes: Any) -> Run:
    return a_run(**{"state": S.WAIT_FOR_OPERATOR_INPUT, "attempt": 2, **changes})


@pytest.mark.parametrize(
    ("what", "outcome", "status"), [("approve", "approve", None), ("reject", "reject", "rejected")]
)
def test_an_answer_about_the_present_attempt_decides_and_is_kept(
    effects: Effects, what: str, outcome: str, status: str | None
) -> None:
    answer = a_decision(what=what, attempt=2)
    step = work(waiting(answer=answer))
    assert (step.outcome, step.run.status, step.run.answer, step.run.decisions) == (outcome, status, None, (answer,))


def test_an_answer_about_an_earlier_attempt_decides_nothing(effects: Effects) -> None:
    step = work(waiting(answer=a_decision(attempt=1)))
    assert (step.outcome, step.run.decisions) == (None, ())


@pytest.mark.parametrize(("hours", "again", "reminds"), [(0, 20, False), (19, 1, False), (20, 4, True), (23, 1, True)])
def test_a_question_is_looked_at_again_for_its_reminder_and_then_for_its_end(
    effects: Effects, hours: int, again: int, reminds: bool
) -> None:
    step = work(waiting(), NOON + timedelta(hours=hours))
    assert (step.outcome, step.again) == (None, timedelta(hours=again))
    assert effects.calls == ["comment.show", *(["comment.remind"] if reminds else [])]


def test_a_question_without_an_answer_ends_after_a_day(effects: Effects) -> None:
    step = work(waiting(), NOON + timedelta(hours=24))
    assert (step.outcome, step.run.status) == ("time-out", "rejected")


def test_the_next_attempt_has_nothing_of_the_last_one_but_its_verdict(effects: Effects) -> None:
    run = a_run(state=S.JUDGE_RESULTS)
    before = run.replace(
        state=S.INCREMENT_RETRY, seed=3, question_comment=77, answer=a_decision(), result=published(run),
        published_sha="p" * 40, error=StageError(stage="train"), decisions=(a_decision(overrides={"max_depth": 3}),),
    )  # fmt: skip
    after = work(before).run
    assert (after.attempt, after.seed, after.question_comment, after.answer) == (2, None, 0, None)
    assert (after.result, after.published_sha, after.error) == (None, None, None)
    assert after.request.hyperparameters == {"max_depth": 3}
    assert effects.calls == ["storage.clear"]
    assert effects.arguments["storage.clear"] == {"attempt": 2}, "one that was given up may have left something"


def test_the_latest_approval_decides_about_the_next_attempt(effects: Effects) -> None:
    decisions = tuple(a_decision(attempt=number, overrides={"max_depth": number}) for number in (1, 2))
    after = work(a_run(state=S.INCREMENT_RETRY, attempt=2, decisions=decisions)).run
    assert (after.attempt, after.request.hyperparameters) == (3, {"max_depth": 2})


def test_an_approval_may_set_the_next_attempts_seed(effects: Effects) -> None:
    after = work(a_run(state=S.INCREMENT_RETRY, decisions=(a_decision(overrides={"seed": 0}),))).run
    assert (after.seed, after.training_seed, after.request.hyperparameters) == (0, 0, {})


# --- registry and history ------------------------------------------------------------------------------------------------


def test_a_model_is_registered_after_its_file_was_checked(effects: Effects) -> None:
    run = a_run(state=S.REGISTER_MODEL)
    effects.answers["registry.next_version"] = (4, True)
    step = work(run.replace(result=published(run)))
    assert (step.outcome, step.run.version, step.run.promoted, step.run.status) == ("ok", 4, True, "passed")
    assert effects.calls == ["storage.check_artifact", "storage.protect_artifact", "registry.next_version"]


def test_a_run_without_a_result_cannot_be_registered(effects: Effects) -> None:
    with pytest.raises(ValueError, match="without a result"):
        work(a_run(state=S.REGISTER_MODEL))
    assert effects.calls == []


@pytest.mark.parametrize(
    ("status", "after"), [("passed", "failed"), (None, "failed"), ("rejected", "rejected"), ("cancelled", "cancelled")]
)
def test_a_roll_back_withdraws_what_the_run_did_to_the_registry(
    effects: Effects, status: str | None, after: str
) -> None:
    step = work(a_run(state=S.ROLLBACK_MODEL, status=status, version=4, promoted=True))
    assert (step.outcome, step.run.version, step.run.promoted, step.run.status) == ("ok", None, False, after)
    assert effects.calls == ["registry.withdraw"]


@pytest.mark.parametrize(
    ("status", "outcome"), [("passed", "passed"), ("rejected", "failed"), ("cancelled", "failed"), (None, "failed")]
)
def test_the_history_is_committed_before_the_model_is_freed(effects: Effects, status: str | None, outcome: str) -> None:
    step = work(a_run(state=S.WRITE_HISTORY, status=status))
    assert (step.outcome, step.run.history_sha, step.run.status) == (outcome, "h" * 40, status or "failed")
    assert effects.calls == ["comment.show", "history.commit", "model_lock.release"]
    assert effects.arguments["comment.show"] == {"may_fail": True}


def test_what_is_left_of_a_failed_attempt_is_stopped(effects: Effects) -> None:
    step = work(a_run(state=S.ERROR_HANDLER))
    assert (step.outcome, step.run.status) == ("ok", "failed")
    assert effects.calls == ["workflow.cancel"]


# --- the end -------------------------------------------------------------------------------------------------------------


def test_a_model_that_passed_is_announced(effects: Effects) -> None:
    step = work(a_run(state=S.NOTIFY_SUCCESS, status="passed", history_sha="h" * 40))
    assert (step.outcome, step.run.notified) == ("ok", ("issue",))
    assert effects.calls == ["conclusion.conclude", "channels.notify"]
    assert effects.arguments["conclusion.conclude"] == {"label": "passed", "reason": "completed"}


@pytest.mark.parametrize(
    ("status", "label"), [("rejected", "failed"), ("cancelled", "cancelled"), ("passed", "failed")]
)
def test_a_run_that_failed_frees_the_model_and_is_announced(effects: Effects, status: str, label: str) -> None:
    step = work(a_run(state=S.NOTIFY_FAILURE, status=status, history_sha="h" * 40))
    assert step.run.status == ("failed" if status == "passed" else status)
    assert effects.calls == ["model_lock.release", "conclusion.conclude", "channels.notify"]
    assert effects.arguments["conclusion.conclude"] == {"label": label, "reason": "not_planned"}


def test_a_run_whose_history_could_not_be_written_leaves_the_registry_as_it_was(effects: Effects) -> None:
    work(a_run(state=S.NOTIFY_FAILURE, status="passed"))
    assert effects.calls == ["model_lock.release", "registry.withdraw", "conclusion.conclude", "channels.notify"]


@pytest.mark.parametrize("state", [S.NOTIFY_SUCCESS, S.NOTIFY_FAILURE])
def test_people_at_the_issue_are_told_once_even_if_a_channel_is_retried(effects: Effects, state: State) -> None:
    assert work(a_run(state=state, status="failed", notified=("issue",))).outcome == "ok"
    assert effects.calls == ["channels.notify"]


# --- channels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pause", "again"), [(2, 2), (60, 5)])
def test_a_channel_that_fails_is_retried_after_the_pause_that_it_asks_for_or_five_minutes(
    effects: Effects, pause: int, again: int
) -> None:
    effects.answers["channels.notify"] = lambda run: (run, timedelta(minutes=pause))
    step = work(a_run(state=S.NOTIFY_SUCCESS, notified=("issue",), tries=2))
    assert (step.outcome, step.again) == ("error", timedelta(minutes=again))


@pytest.mark.parametrize(
    "run",
    [
        a_run(state=S.NOTIFY_SUCCESS, notified=("issue",), tries=3),
        a_run(state=S.NOTIFY_OPERATOR, notified=("issue",), answer=a_decision()),
    ],
    ids=["after the last retry", "if the question is answered"],
)
def test_a_channel_that_fails_is_given_up(effects: Effects, run: Run) -> None:
    effects.answers["channels.notify"] = lambda run: (run, timedelta(minutes=1))
    assert work(run).outcome == "ok"
    assert effects.calls == ["channels.notify", "channels.give_up"]
