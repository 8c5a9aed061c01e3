"""The loop over HTTP, with scripted jobs: every state and edge of a run, as people at the issue see it."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.forms import form_body
from bot.pipeline import RETRY_DELAYS, State
from tests.support.loop import Loop, running_loop
from tests.support.runs import a_request
from tests.support.scripted_runs import Script, order_of, writes
from tests.support.unreliable import lagging, stalled

S = State
HAPPY = [
    S.QUEUED, S.PREPARE_DATA, S.TRAIN_MODEL, S.EVALUATE_MODEL, S.JUDGE_RESULTS, S.REGISTER_MODEL, S.WRITE_HISTORY,
    S.NOTIFY_SUCCESS, S.END,
]  # fmt: skip
UNHAPPY_END = [S.ROLLBACK_MODEL, S.WRITE_HISTORY, S.NOTIFY_FAILURE, S.END]
REJECTED = [*HAPPY[:5], S.CHECK_RETRY_LIMIT]
ASKED = [*REJECTED, S.NOTIFY_OPERATOR, S.WAIT_FOR_OPERATOR_INPUT]
AREA = {"prepare": "processed", "train": "models", "evaluate": "evaluations", "judge": "evaluations"}


def crash(stage: str, *log: str) -> Script:
    return Script(outcome="failure", log=log or ("MemoryError",))


def says(stage: str, kind: str, reason: str = "some_reason") -> Script:
    """Return a stage that fails with an error of its own in its progress."""
    error = {"kind": kind, "reason": reason, "rule": "A rule.", "found": "`Something` else.", "next_step": "Do it."}
    progress = {"stage": stage, "step": "failed", "updated": "2026-11-22T12:00:00Z", "error": error}
    return Script(outcome="failure", do=writes(AREA[stage], {"progress.json": progress}))


def refuse(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
    return httpx.Response(403, json={"message": "Resource not accessible by integration"}, request=request)


def away(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
    return httpx.Response(502, json={"message": "Bad Gateway"}, request=request)


def gone(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
    return httpx.Response(404, json={"message": "Not Found"}, request=request)


def starts(loop: Loop) -> list[str]:
    return [work.inputs["start_at"] for work in loop.jobs.works]


# --- to the end ----------------------------------------------------------------------------------------------------------


def test_an_issue_becomes_a_registered_model_with_its_history(loop: Loop, model: str) -> None:
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert loop.states(issue) == HAPPY
    assert loop.labels(issue) == {"mlops:passed"}
    assert loop.issue(issue)["state_reason"] == "completed"
    assert "✅ Passed" in loop.comments(issue)[0]
    assert "accuracy" in str(loop.file(f"training_history/{run.id}.md"))
    assert json.loads(str(loop.file(f"training_history/{run.id}.json")))["version"] == 1
    assert "candidate: 1" in str(loop.file(f"training_history/models/{model}.yaml"))
    assert run.id in str(loop.file("training_history/index.md"))
    with loop.person("owner") as client:
        assert client.get(f"/git/matching-refs/modelyard/{run.id}").json() == [], "the published ref is gone"
        checks = client.get(f"/commits/{loop.jobs.works[0].sha}/check-runs").json()["check_runs"]
    assert ("success", run.id) in [(check["conclusion"], check["external_id"]) for check in checks]


def test_a_run_changes_nothing_twice(loop: Loop, model: str) -> None:
    issue = loop.open(model_name=model)
    loop.until_ended(issue)
    assert len([text for text in loop.comments(issue) if "modelyard:run-" in text]) == 1
    assert len(loop.jobs.works) == 1
    assert [each for each in loop.network.writes("/dispatches") if each] == ["POST dispatches"]
    assert len(loop.network.writes("/git/commits")) == 1


def test_a_rejected_run_without_retries_ends_as_failed(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model, max_retries=0)
    run = loop.until_ended(issue)
    assert loop.states(issue) == [*REJECTED, *UNHAPPY_END]
    assert (run.status, loop.labels(issue)) == ("rejected", {"mlops:failed"})
    assert loop.issue(issue)["state_reason"] == "not_planned"
    assert loop.file(f"training_history/models/{model}.yaml") is None
    assert "rejected" in str(loop.file(f"training_history/{run.id}.md")).lower()


def test_an_approval_trains_again_with_what_it_changes_and_the_next_seed(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5, 0.95]
    issue = loop.open(model_name=model, seed=7)
    loop.until_label(issue, "mlops:waiting")
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)  # the label comes a moment before it
    assert loop.states(issue) == ASKED
    loop.say(issue, "/approve n_estimators=500 more trees may help")
    run = loop.until_ended(issue)
    assert loop.states(issue) == [*ASKED, S.INCREMENT_RETRY, *HAPPY]
    orders = [json.loads(work.inputs["order"]) for work in loop.jobs.works]
    assert [order["attempt"] for order in orders] == [1, 2]
    assert orders[1]["request"]["hyperparameters"] == {"n_estimators": 500}
    assert [(order["request"]["seed"], order["training_seed"]) for order in orders] == [(7, 7), (7, 8)]
    with loop.person("owner") as client:
        assert client.get(f"/git/matching-refs/modelyard/{run.id}").json() == [], "no attempt's ref is left"
    history = str(loop.file(f"training_history/{run.id}.md"))
    assert "more trees may help" in history
    assert "2 of 3" in history


def test_an_approval_can_set_the_seed_of_the_next_training(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5, 0.95]
    issue = loop.open(model_name=model, seed=7)
    loop.until_label(issue, "mlops:waiting")
    loop.say(issue, "/approve seed=99")
    loop.until_ended(issue)
    orders = [json.loads(work.inputs["order"]) for work in loop.jobs.works]
    assert [(order["request"]["seed"], order["training_seed"]) for order in orders] == [(7, 7), (7, 99)]


def test_a_rejection_by_a_person_ends_the_run(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_label(issue, "mlops:waiting")
    loop.say(issue, "/reject the data has to be cleaned first")
    run = loop.until_ended(issue)
    assert loop.states(issue) == [*ASKED, *UNHAPPY_END]
    assert "the data has to be cleaned first" in str(loop.file(f"training_history/{run.id}.md"))


def test_a_question_that_nobody_answers_lapses_after_a_day(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    loop.jump(hours=22)
    assert loop.run(issue).state is S.WAIT_FOR_OPERATOR_INPUT
    loop.jump(hours=2)
    loop.until_ended(issue)
    assert loop.states(issue) == [*ASKED, *UNHAPPY_END]


def test_a_question_is_asked_in_a_comment_of_its_own_and_the_model_is_free_meanwhile(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5, 0.95]
    first = loop.open(model_name=model)
    loop.until_label(first, "mlops:waiting")
    assert "/approve" in loop.comments(first)[-1]
    assert len(loop.comments(first)) == 2
    loop.values[:] = [0.95]
    second = loop.open(model_name=model)
    assert loop.until_ended(second).status == "passed"
    loop.say(first, "/reject")
    loop.until_ended(first)


# --- stages that go wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "tries"), [("prepare", 4), ("train", 2), ("evaluate", 4)])
def test_a_stage_that_crashes_is_sent_again_and_at_last_ends_the_run_with_its_log(
    loop: Loop, model: str, stage: str, tries: int
) -> None:
    loop.script(**{stage: crash(stage, "Traceback", "MemoryError: 12 GB")})
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert starts(loop) == ["prepare", *[stage] * (tries - 1)]
    pauses = [later.sent_at - sooner.sent_at for sooner, later in itertools.pairwise(run.dispatches)]
    assert all(pause >= delay for pause, delay in zip(pauses, RETRY_DELAYS, strict=False)), "late news shorten none"
    assert loop.states(issue)[-5:] == [S.ERROR_HANDLER, *UNHAPPY_END]
    assert loop.labels(issue) == {"mlops:failed"}
    comment = loop.comments(issue)[0]
    assert stage in comment
    assert "MemoryError: 12 GB" in comment
    assert "MemoryError: 12 GB" in str(loop.file(f"training_history/{run.id}.md"))


def test_a_stage_that_crashes_once_is_sent_again_from_there_and_the_run_passes(loop: Loop, model: str) -> None:
    def heal(work: Any, job: Any) -> None:
        loop.script()

    loop.script(train=Script(outcome="failure", do=heal))
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert starts(loop) == ["prepare", "train"]
    assert (run.status, loop.states(issue)) == ("passed", HAPPY)
    assert run.error is None


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_a_stage_that_says_no_is_not_tried_again(loop: Loop, model: str, stage: str) -> None:
    loop.script(**{stage: says(stage, "unavailable", "library_missing")})
    issue = loop.open(model_name=model)
    loop.until_ended(issue)
    assert starts(loop) == ["prepare"]
    assert loop.states(issue)[-5:] == [S.ERROR_HANDLER, *UNHAPPY_END]
    assert "library_missing" in loop.comments(issue)[0]


def test_data_that_is_wrong_leaves_nothing_behind_and_the_corrected_issue_runs(calm: Loop, model: str) -> None:
    head, stored = calm.head(), calm.stored()
    calm.script(prepare=says("prepare", "invalid_input", "target_missing"))
    issue = calm.open(model_name=model)
    calm.until_label(issue, "mlops:invalid")
    calm.until_ended(issue)
    assert calm.states(issue) == [S.QUEUED, S.PREPARE_DATA, S.INVALID_DATA, S.END]
    assert "Do it." in calm.comments(issue)[0]
    assert (calm.head(), calm.stored()) == (head, stored)
    assert calm.issue(issue)["state"] == "open"
    calm.script()
    calm.edit(issue, form_body(a_request(model_name=model, target="other")))
    calm.until_label(issue, "mlops:passed")
    assert "What was wrong here has been put right." in calm.comments(issue)[0]
    assert "✅ Passed" in calm.comments(issue)[1]


def test_a_stage_beyond_its_time_is_stopped_and_sent_again(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name=model, timeout_minutes=10)
    loop.until(loop.jobs.hanging.is_set)
    loop.until_state(issue, S.TRAIN_MODEL)
    loop.script()
    loop.jump(minutes=11)
    run = loop.until_ended(issue)
    assert starts(loop) == ["prepare", "train"]
    assert run.status == "passed"


def test_a_workflow_run_that_somebody_cancels_on_github_ends_the_run(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name=model)
    loop.until(loop.jobs.hanging.is_set)
    sent = loop.until_state(issue, S.TRAIN_MODEL).dispatch
    assert sent is not None
    with loop.person("owner") as client:
        client.post(f"/actions/runs/{sent.workflow_run}/cancel").raise_for_status()
    loop.until_ended(issue)
    assert starts(loop) == ["prepare"]
    assert "workflow_cancelled" in loop.comments(issue)[0]


@pytest.mark.parametrize("job", ["judge", "publish"])
def test_a_run_that_cannot_be_judged_has_failed(loop: Loop, model: str, job: str) -> None:
    loop.script(**{job: crash(job)})
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert loop.states(issue) == [*HAPPY[:5], *UNHAPPY_END]
    assert run.status == "failed"
    assert len(loop.jobs.works) == 1


def test_a_result_that_was_tampered_with_is_not_taken(loop: Loop, model: str) -> None:
    def lie(work: Any, job: Any) -> None:
        loop.publish(work, job)
        order = json.loads(work.inputs["order"])
        published = next(loop.storage.glob(f"owner/demo/evaluations/{order['run']}/1/published.json"))
        published.write_text(json.dumps({"ref": f"refs/modelyard/{order['run']}/1", "sha": "1" * 40}), encoding="utf-8")

    loop.script(publish=Script(do=lie))
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert run.status == "failed"
    assert "published_refused" in loop.comments(issue)[0]
    assert loop.file(f"training_history/models/{model}.yaml") is None


# --- the App's own work that goes wrong ----------------------------------------------------------------------------------


def test_a_model_file_that_is_gone_is_not_registered(loop: Loop, model: str) -> None:
    def lose(work: Any, job: Any) -> None:
        loop.publish(work, job)
        for file in loop.storage.rglob("model.skops"):
            file.unlink()

    loop.script(publish=Script(do=lose))
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert loop.states(issue) == [*HAPPY[:6], *UNHAPPY_END]
    assert run.status == "failed"
    assert "artifact_missing" in loop.comments(issue)[0]
    assert loop.file(f"training_history/models/{model}.yaml") is None


def test_a_history_that_cannot_be_written_makes_the_run_fail_and_says_so(loop: Loop, model: str) -> None:
    loop.network.add("POST", "/git/trees", refuse, times=4)
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert loop.states(issue) == [*HAPPY[:7], S.NOTIFY_FAILURE, S.END]
    assert (run.status, loop.labels(issue)) == ("failed", {"mlops:failed"})
    assert loop.file(f"training_history/models/{model}.yaml") is None


def test_a_history_that_can_be_written_the_second_time_is_written(loop: Loop, model: str) -> None:
    loop.network.add("POST", "/git/trees", refuse, times=1)
    issue = loop.open(model_name=model)
    assert loop.until_ended(issue).status == "passed"


def test_a_question_that_cannot_be_posted_still_waits_for_its_answer(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]

    def publish(work: Any, job: Any) -> None:
        loop.publish(work, job)
        loop.until(lambda: loop.comments(order_of(work)["issue"]), "the run has its comment: the question comes later")
        loop.network.add("POST", r"/issues/\d+/comments", refuse, times=4)

    loop.script(publish=Script(do=publish))
    issue = loop.open(model_name=model)
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    assert loop.states(issue) == ASKED
    loop.say(issue, "/reject")
    loop.until_ended(issue)


def test_a_rollback_that_cannot_look_at_the_registry_goes_on_to_the_history(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_label(issue, "mlops:waiting")
    loop.network.add("GET", "/contents/training_history/models", refuse, times=4)
    loop.say(issue, "/reject")
    loop.until_ended(issue)
    assert loop.states(issue) == [*ASKED, *UNHAPPY_END]


@pytest.mark.parametrize("value", [0.5, 0.95])
def test_a_run_whose_last_words_cannot_be_posted_ends_all_the_same(loop: Loop, model: str, value: float) -> None:
    loop.values[:] = [value]
    loop.network.add("PATCH", r"/issues/\d+$", refuse, times=4)
    issue = loop.open(model_name=model, max_retries=0)
    run = loop.until_ended(issue)
    assert run.status == ("passed" if value > 0.9 else "rejected")
    assert loop.file(f"training_history/{run.id}.md") is not None


def test_wrong_data_that_cannot_be_told_ends_the_run_all_the_same(loop: Loop, model: str) -> None:
    loop.script(prepare=says("prepare", "invalid_input"))
    loop.network.add("POST", r"/issues/\d+/labels", refuse, times=6)
    issue = loop.open(model_name=model)
    loop.until_ended(issue)


def test_a_call_that_hangs_is_given_up_after_its_states_time_and_made_again(tmp_path: Path) -> None:
    with running_loop(tmp_path, speed=1, time_factor=0.01) as loop:
        loop.network.add("POST", "/git/trees", stalled, times=2)
        issue = loop.open()
        assert loop.until_ended(issue).status == "passed"
        assert loop.network.writes("/git/trees") == ["POST trees"] * 3


@pytest.mark.slow
def test_an_outage_is_waited_for_and_costs_nothing(loop: Loop, model: str) -> None:
    loop.network.add("POST", "/git/trees", away, times=6)
    loop.network.add("PATCH", r"/issues/comments/", away, times=3)
    issue = loop.open(model_name=model)
    assert loop.until_ended(issue).status == "passed"
    assert "candidate: 1" in str(loop.file(f"training_history/models/{model}.yaml"))


def test_trouble_that_does_not_pass_ends_the_run_and_says_why(loop: Loop, model: str) -> None:
    loop.network.add("POST", "/dispatches", refuse, times=9)
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert loop.states(issue) == [S.QUEUED, S.PREPARE_DATA, S.ERROR_HANDLER, *UNHAPPY_END]
    assert "hub_refused" in loop.comments(issue)[0]
    assert loop.file(f"training_history/{run.id}.md") is not None


def test_a_workflow_run_that_is_gone_can_still_be_cancelled(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name=model)
    loop.until(loop.jobs.hanging.is_set)
    loop.network.add("POST", r"/actions/runs/\d+/cancel", gone, times=9)
    loop.say(issue, "/cancel")
    assert loop.until_ended(issue).status == "cancelled"
    loop.network.troubles.clear()
    with loop.person("owner") as client:
        client.post(f"/actions/runs/{loop.run(issue).dispatches[0].workflow_run}/cancel")


def test_a_workflow_run_that_is_gone_is_sent_again(loop: Loop, model: str) -> None:
    loop.network.add("GET", r"/actions/runs/\d+", gone, times=3)
    issue = loop.open(model_name=model)
    assert loop.until_ended(issue).status == "passed"
    assert len(loop.jobs.works) == 2


def test_cancel_while_a_dispatch_is_being_answered_stops_what_it_started(loop: Loop, model: str) -> None:
    loop.script(prepare=Script(hang=True))
    loop.network.add("POST", "/dispatches", lagging)
    issue = loop.open(model_name=model)
    loop.until(loop.jobs.hanging.is_set)
    loop.say(issue, "/cancel")
    run = loop.until_ended(issue)
    assert run.status == "cancelled"
    with loop.person("owner") as client:
        runs = client.get("/actions/runs").json()["workflow_runs"]
        mine = [each["id"] for each in runs if each["display_title"].startswith(run.id)]
        assert len(mine) == 1
        loop.until(lambda: client.get(f"/actions/runs/{mine[0]}").json()["conclusion"] == "cancelled")


def test_a_long_reason_does_not_keep_a_good_model_from_its_history(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5, 0.95]
    issue = loop.open(model_name=model)
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    loop.say(issue, "/approve " + "because " * 450)
    run = loop.until_ended(issue)
    assert run.status == "passed"
    assert "because because" in str(loop.file(f"training_history/{run.id}.md"))


def test_a_model_that_could_not_be_registered_is_not_registered_later(loop: Loop, model: str) -> None:
    def lose(work: Any, job: Any) -> None:
        loop.publish(work, job)
        for file in loop.storage.rglob("model.skops"):
            file.unlink()
        loop.network.add("GET", "/contents/training_history/models", refuse, times=4)

    loop.script(publish=Script(do=lose))
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert (run.status, loop.labels(issue)) == ("failed", {"mlops:failed"})
    assert loop.file(f"training_history/models/{model}.yaml") is None


# --- while it runs -------------------------------------------------------------------------------------------------------


def test_the_comment_shows_how_far_the_running_stage_is(loop: Loop, model: str) -> None:
    progress = {
        "stage": "train", "step": "tree 30", "done": 30, "total": 120, "metrics": {"loss": 0.25},
        "updated": "2026-11-22T12:00:00Z",
    }  # fmt: skip
    loop.script(train=Script(hang=True, do=writes("models", {"progress.json": progress})))
    issue = loop.open(model_name=model)
    loop.until(lambda: "25 %" in (loop.comments(issue) or [""])[0], "the comment shows the progress")
    comment = loop.comments(issue)[0]
    assert "tree 30" in comment
    assert "loss 0.25" in comment
    loop.say(issue, "/cancel")
    loop.until_ended(issue)


# --- cancelling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ("prepare", S.PREPARE_DATA), ("train", S.TRAIN_MODEL), ("evaluate", S.EVALUATE_MODEL),
        ("judge", S.JUDGE_RESULTS), ("publish", S.JUDGE_RESULTS),
    ],
)  # fmt: skip
def test_cancel_stops_the_workflow_and_ends_the_run(loop: Loop, model: str, job: str, state: State) -> None:
    loop.script(**{job: Script(hang=True)})
    issue = loop.open(model_name=model)
    loop.until(loop.jobs.hanging.is_set)
    loop.until_state(issue, state)
    loop.say(issue, "/cancel wrong data set")
    run = loop.until_ended(issue)
    assert loop.states(issue)[-4:] == [state, S.WRITE_HISTORY, S.NOTIFY_FAILURE, S.END]
    assert (run.status, loop.labels(issue)) == ("cancelled", {"mlops:cancelled"})
    assert "wrong data set" in str(loop.file(f"training_history/{run.id}.md"))
    with loop.person("owner") as client:
        sent = run.dispatches[-1].workflow_run
        loop.until(lambda: client.get(f"/actions/runs/{sent}").json()["conclusion"] == "cancelled")


def test_cancel_while_a_person_is_asked_ends_the_run(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_label(issue, "mlops:waiting")
    loop.say(issue, "/cancel")
    assert loop.until_ended(issue).status == "cancelled"
    assert loop.states(issue) == [*ASKED, S.WRITE_HISTORY, S.NOTIFY_FAILURE, S.END]


def test_cancel_in_the_queue_lets_the_others_pass(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    first = loop.open(model_name=model)
    loop.until(loop.jobs.hanging.is_set)
    second = loop.open(model_name=model)
    loop.until(lambda: "Queued" in (loop.comments(second) or [""])[0])
    loop.say(second, "/cancel")
    assert loop.until_ended(second).status == "cancelled"
    loop.say(first, "/cancel")
    loop.until_ended(first)


def test_cancel_after_the_end_says_that_it_is_too_late(loop: Loop, model: str) -> None:
    issue = loop.open(model_name=model)
    loop.until_ended(issue)
    before = len(loop.comments(issue))
    loop.say(issue, "/cancel")
    loop.until(lambda: len(loop.comments(issue)) > before)
    assert loop.run(issue).status == "passed"


# --- two at once ---------------------------------------------------------------------------------------------------------


def test_two_models_train_side_by_side(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    issues = [loop.open(model_name=f"{name}{model[-40:]}") for name in ("a", "b")]
    for issue in issues:
        loop.until_state(issue, S.TRAIN_MODEL)
    for issue in issues:
        loop.say(issue, "/cancel")
        loop.until_ended(issue)


def test_a_second_run_of_a_model_queues_visibly_and_then_runs(loop: Loop, model: str) -> None:
    loop.script(train=Script(seconds=1))
    first, second = loop.open(model_name=model), loop.open(model_name=model)
    loop.until(lambda: "Queued" in (loop.comments(second) or [""])[0], "the second says that it waits")
    assert loop.run(first).id in loop.comments(second)[0]
    assert loop.until_ended(first).version == 1
    assert loop.until_ended(second).version == 2
    assert "candidate: 2" in str(loop.file(f"training_history/models/{model}.yaml"))


# --- answers before their question ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "attempts"), [("/approve more trees", "passed", 2), ("/reject no", "rejected", 1)]
)
def test_an_answer_that_comes_before_the_question_is_kept_for_it(
    loop: Loop, model: str, words: str, status: str, attempts: int
) -> None:
    loop.values[:] = [0.5, 0.95]
    issue = loop.open(model_name=model)

    def publish(work: Any, job: Any) -> None:
        if order_of(work)["attempt"] == 1:
            loop.until_state(issue, S.JUDGE_RESULTS)
            loop.say(issue, words)
            loop.until(lambda: loop.run(issue).answer is not None, "the answer is kept")
        loop.publish(work, job)

    loop.script(publish=Script(do=publish))
    run = loop.until_ended(issue)
    assert (run.status, run.attempt) == (status, attempts)
    assert [decision.what for decision in run.decisions] == ["approve" if attempts == 2 else "reject"]


def test_an_answer_that_comes_late_never_counts_for_a_later_attempt(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    second_click = loop.say(issue, "I think so, too")

    def publish(work: Any, job: Any) -> None:
        loop.until_state(issue, S.JUDGE_RESULTS)
        late = loop.delivery_of(second_click, body="/approve")
        loop.store.take_in(late)
        loop.until(lambda: loop.store.delivery(late.id) is None, "what came late was read")
        loop.publish(work, job)

    # GitHub's times are in whole seconds.
    loop.script(prepare=Script(seconds=1.1), publish=Script(do=publish))
    loop.say(issue, "/approve")
    loop.until(lambda: loop.run(issue).attempt == 2 and loop.run(issue).state is S.WAIT_FOR_OPERATOR_INPUT)
    assert any("nothing to do now" in text for text in loop.comments(issue))
    loop.say(issue, "/reject")
    run = loop.until_ended(issue)
    assert (run.attempt, [decision.what for decision in run.decisions]) == (2, ["approve", "reject"])


def test_actions_that_the_app_does_not_know_are_taken_and_ask_for_nothing(loop: Loop, model: str) -> None:
    issue = loop.open(model_name=model)
    loop.until_ended(issue)
    comment = loop.delivery_of(loop.say(issue, "hello"), body="/retry")
    before, dead = (loop.comments(issue), loop.labels(issue), len(loop.jobs.works)), loop.store.kept("dead")
    payload = json.loads(comment.payload)
    for event in ("issues", "issue_comment", "workflow_run", "installation"):
        strange = payload | {"action": "frobnicated", "workflow_run": {"id": 1}}
        assert (event, loop.deliver(event, strange)) == (event, httpx.codes.ACCEPTED)
    loop.until(lambda: not loop.store.kept("new"), "all are handled")
    assert loop.store.kept("dead") == dead
    assert (loop.comments(issue), loop.labels(issue), len(loop.jobs.works)) == before


def test_a_delivery_that_cannot_be_handled_blocks_no_other_and_in_the_end_a_person_is_told(
    loop: Loop, model: str
) -> None:
    issue = loop.open(model_name=model)
    broken = loop.delivery_of(loop.say(issue, "hello"), body="hello")
    payload = json.dumps({"action": "created", "issue": {"number": issue}}).encode()
    loop.store.take_in(dataclasses.replace(broken, payload=payload))
    assert loop.until_ended(loop.open(model_name=f"b{model[-50:]}")).status == "passed"
    loop.until(lambda: any(f"modelyard:dead-{broken.id}" in text for text in loop.comments(issue)), "it is told")
    assert [kept.id for kept in loop.store.kept("dead")] == [broken.id]
    loop.until_ended(issue)
