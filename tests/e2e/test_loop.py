"""The loop over HTTP, with scripted jobs: every state and edge of a run, as people at the issue see it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import httpx
import pytest

from bot.runs.machines.training import State
from tests.support.loop import Loop
from tests.support.scripted_runs import Script, order_of, writes
from tests.support.ways import ASKED, HAPPY, REJECTED, UNHAPPY_END

S = State


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


def test_a_run_makes_every_change_once(loop: Loop, model: str) -> None:
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


def test_reject_ends_the_run(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_label(issue, "mlops:waiting")
    loop.say(issue, "/reject the data has to be cleaned first")
    run = loop.until_ended(issue)
    assert loop.states(issue) == [*ASKED, *UNHAPPY_END]
    assert "the data has to be cleaned first" in str(loop.file(f"training_history/{run.id}.md"))


def test_an_unanswered_question_expires_after_a_day(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    loop.jump(hours=22)
    assert loop.run(issue).state is S.WAIT_FOR_OPERATOR_INPUT
    loop.jump(hours=2)
    loop.until_ended(issue)
    assert loop.states(issue) == [*ASKED, *UNHAPPY_END]


def test_a_question_has_its_own_comment_and_the_model_is_unlocked_while_it_waits(loop: Loop, model: str) -> None:
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


# --- while it runs -------------------------------------------------------------------------------------------------------


def test_the_comment_shows_how_far_the_running_stage_is(loop: Loop, model: str) -> None:
    progress = {
        "stage": "train", "step": "tree 30", "done": 30, "total": 120, "metrics": {"loss": 0.25},
        "updated": "2026-11-22T12:00:00Z",
    }  # fmt: skip
    loop.script(train=Script(hang=True, do=writes("models", {"progress.json": progress})))
    issue = loop.open(model_name=model)
    loop.until(lambda: "25%" in (loop.comments(issue) or [""])[0], "the comment shows the progress")
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


def test_cancel_in_the_queue_lets_the_other_runs_go_ahead(loop: Loop, model: str) -> None:
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
def test_an_answer_that_arrives_before_its_question_is_kept(
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


def test_a_late_answer_never_counts_for_a_later_attempt(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    second_click = loop.say(issue, "I think so, too")

    def publish(work: Any, job: Any) -> None:
        loop.until_state(issue, S.JUDGE_RESULTS)
        late = loop.delivery_of(second_click, body="/approve")
        loop.store.inbox.add(late)
        loop.until(lambda: loop.store.inbox.to_handle(late.id) is None, "what came late was read")
        loop.publish(work, job)

    # GitHub's times are in whole seconds.
    loop.script(prepare=Script(seconds=1.1), publish=Script(do=publish))
    loop.say(issue, "/approve")
    loop.until(lambda: loop.run(issue).attempt == 2 and loop.run(issue).state is S.WAIT_FOR_OPERATOR_INPUT)
    assert any("has no effect right now" in text for text in loop.comments(issue))
    loop.say(issue, "/reject")
    run = loop.until_ended(issue)
    assert (run.attempt, [decision.what for decision in run.decisions]) == (2, ["approve", "reject"])


def test_unknown_actions_are_accepted_and_start_nothing(loop: Loop, model: str) -> None:
    issue = loop.open(model_name=model)
    loop.until_ended(issue)
    comment = loop.delivery_of(loop.say(issue, "hello"), body="/retry")
    before, dead = (loop.comments(issue), loop.labels(issue), len(loop.jobs.works)), loop.store.inbox.entries("dead")
    payload = json.loads(comment.payload)
    for event in ("issues", "issue_comment", "workflow_run", "installation"):
        strange = payload | {"action": "frobnicated", "workflow_run": {"id": 1}}
        assert (event, loop.deliver(event, strange)) == (event, httpx.codes.ACCEPTED)
    loop.until(lambda: not loop.store.inbox.entries("new"), "all are handled")
    assert loop.store.inbox.entries("dead") == dead
    assert (loop.comments(issue), loop.labels(issue), len(loop.jobs.works)) == before


def test_a_delivery_that_cannot_be_handled_blocks_no_other_and_is_finally_reported(loop: Loop, model: str) -> None:
    issue = loop.open(model_name=model)
    broken = loop.delivery_of(loop.say(issue, "hello"), body="hello")
    payload = json.dumps({"action": "created", "issue": {"number": issue}}).encode()
    loop.store.inbox.add(dataclasses.replace(broken, payload=payload))
    assert loop.until_ended(loop.open(model_name=f"b{model[-50:]}")).status == "passed"
    loop.until(lambda: any(f"modelyard:dead-{broken.id}" in text for text in loop.comments(issue)), "it is told")
    assert [kept.id for kept in loop.store.inbox.entries("dead")] == [broken.id]
    loop.until_ended(issue)
