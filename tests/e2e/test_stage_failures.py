"""Stages that go wrong, over HTTP with scripted jobs: sent again, told, or the end of the run."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from bot.parsing.form import form_body
from bot.runs.advance import RETRY_DELAYS
from bot.runs.machines.training import State
from tests.support.loop import Loop
from tests.support.runs import a_request
from tests.support.scripted_runs import Script, says
from tests.support.ways import HAPPY, UNHAPPY_END

S = State


def crash(stage: str, *log: str) -> Script:
    return Script(outcome="failure", log=log or ("MemoryError",))


def starts(loop: Loop) -> list[str]:
    return [work.inputs["start_at"] for work in loop.jobs.works]


@pytest.mark.parametrize(
    ("stage", "tries"), [("prepare", 4), ("train", 2), pytest.param("evaluate", 4, marks=pytest.mark.slow)]
)
def test_a_stage_that_keeps_crashing_is_retried_and_finally_ends_the_run_with_its_log(
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


def test_a_stage_that_crashes_once_is_retried_from_there_and_the_run_passes(loop: Loop, model: str) -> None:
    def heal(work: Any, job: Any) -> None:
        loop.script()

    loop.script(train=Script(outcome="failure", do=heal))
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert starts(loop) == ["prepare", "train"]
    assert (run.status, loop.states(issue)) == ("passed", HAPPY)
    assert run.error is None


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_a_stage_that_refuses_its_input_is_not_retried(loop: Loop, model: str, stage: str) -> None:
    loop.script(**{stage: says(stage, "unavailable", "library_missing")})
    issue = loop.open(model_name=model)
    loop.until_ended(issue)
    assert starts(loop) == ["prepare"]
    assert loop.states(issue)[-5:] == [S.ERROR_HANDLER, *UNHAPPY_END]
    assert "library_missing" in loop.comments(issue)[0]


def test_invalid_data_leaves_nothing_behind_and_the_corrected_issue_runs(calm: Loop, model: str) -> None:
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
    assert "The problem reported here is fixed." in calm.comments(issue)[0]
    assert "✅ Passed" in calm.comments(issue)[1]


def test_an_attempt_that_cannot_begin_returns_to_the_question_and_loses_nothing(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5, 0.97]
    issue = loop.open(model_name=model)
    judged = loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    stored = {file for file in loop.stored() if f"{judged.id}/" in file}
    loop.script(prepare=says("prepare", "not_found", "data_not_found"))
    loop.say(issue, "/approve n_estimators=500")
    loop.until(lambda: len(loop.comments(issue)) == 3, "the question is asked again")
    run = loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)

    assert "Attempt 2 could not begin" in loop.comments(issue)[2]
    assert "`data_not_found`" in loop.comments(issue)[2]
    assert (run.attempt, run.request, run.result, run.verdicts) == (1, judged.request, judged.result, judged.verdicts)
    assert stored
    assert stored <= set(loop.stored())
    assert loop.labels(issue) == {"mlops:waiting"}
    loop.script()
    loop.say(issue, "/approve n_estimators=50")
    passed = loop.until_ended(issue)
    assert (passed.status, passed.attempt, passed.request.hyperparameters) == ("passed", 2, {"n_estimators": 50})
    assert passed.error is None


def test_a_run_whose_next_attempt_could_not_begin_gets_its_history_page(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    loop.script(prepare=says("prepare", "invalid_input", "target_missing"))
    loop.say(issue, "/approve")
    loop.until(lambda: len(loop.comments(issue)) == 3, "the question is asked again")
    loop.say(issue, "/reject the data is gone")
    run = loop.until_ended(issue)
    page = loop.file(f"training_history/{run.id}.md") or ""
    assert run.status == "rejected"
    assert "0.5" in page
    assert "the data is gone" in page


def test_a_stage_beyond_its_time_limit_is_stopped_and_retried(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name=model, timeout_minutes=10)
    loop.until(loop.jobs.hanging.is_set)
    loop.until_state(issue, S.TRAIN_MODEL)
    loop.until(lambda: loop.run(issue).observed_job, "the App has seen that it runs")
    loop.script()
    loop.jump(minutes=11)
    run = loop.until_ended(issue)
    assert starts(loop) == ["prepare", "train"]
    assert run.status == "passed"


def test_a_workflow_run_cancelled_on_github_ends_the_run(loop: Loop, model: str) -> None:
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


def test_a_tampered_result_is_not_accepted(loop: Loop, model: str) -> None:
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
