"""The App's own work goes wrong, over HTTP with scripted jobs: tried again, told, and the run ends rightly all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.runs.machines.training import State
from tests.support.loop import Loop, running_loop
from tests.support.scripted_runs import Script, order_of, says
from tests.support.unreliable import away, gone, lagging, refuse, stalled
from tests.support.ways import ASKED, HAPPY, UNHAPPY_END

S = State


def test_a_missing_model_file_is_not_registered(loop: Loop, model: str) -> None:
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


@pytest.mark.parametrize("text", ["name: [\n", "name: another model\n"], ids=["no YAML", "no registry file"])
def test_a_broken_registry_file_is_reported_by_its_path_and_the_state_that_read_it(
    loop: Loop, model: str, text: str
) -> None:
    path = f"training_history/models/{model}.yaml"
    loop.write(path, text)
    issue = loop.open(model_name=model)
    assert loop.until_ended(issue).status == "failed"
    assert path in loop.comments(issue)[0]
    assert "PrepareData" in loop.comments(issue)[0]


def test_a_history_that_cannot_be_written_makes_the_run_fail_and_says_so(loop: Loop, model: str) -> None:
    loop.network.add("POST", "/git/trees", refuse, times=4)
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    assert loop.states(issue) == [*HAPPY[:7], S.NOTIFY_FAILURE, S.END]
    assert (run.status, loop.labels(issue)) == ("failed", {"mlops:failed"})
    assert loop.file(f"training_history/models/{model}.yaml") is None


def test_a_file_in_the_place_of_a_history_folder_is_not_replaced_and_the_run_ends_with_the_reason(
    loop: Loop, model: str
) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    run = loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    loop.write(f"training_history/{run.id}", "notes of a person")
    loop.say(issue, "/reject")
    loop.until_ended(issue)
    assert loop.states(issue)[-3:] == [S.WRITE_HISTORY, S.NOTIFY_FAILURE, S.END]
    assert "history_path_taken" in loop.comments(issue)[0]
    assert "mlops:failed" in loop.labels(issue)
    assert loop.file(f"training_history/{run.id}") == "notes of a person"


def test_a_history_that_fails_once_is_written_on_the_second_try(loop: Loop, model: str) -> None:
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


def test_a_withdrawal_that_cannot_read_the_registry_continues_to_the_history(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_label(issue, "mlops:waiting")
    loop.network.add("GET", "/contents/training_history/models", refuse, times=4)
    loop.say(issue, "/reject")
    loop.until_ended(issue)
    assert loop.states(issue) == [*ASKED, *UNHAPPY_END]


@pytest.mark.parametrize("value", [0.5, 0.95])
def test_a_run_whose_final_comment_cannot_be_posted_still_ends(loop: Loop, model: str, value: float) -> None:
    loop.values[:] = [value]
    loop.network.add("PATCH", r"/issues/\d+$", refuse, times=4)
    issue = loop.open(model_name=model, max_retries=0)
    run = loop.until_ended(issue)
    assert run.status == ("passed" if value > 0.9 else "rejected")
    assert loop.file(f"training_history/{run.id}.md") is not None


def test_a_run_whose_data_problem_cannot_be_posted_still_ends(loop: Loop, model: str) -> None:
    loop.script(prepare=says("prepare", "invalid_input"))
    loop.network.add("POST", r"/issues/\d+/labels", refuse, times=6)
    issue = loop.open(model_name=model)
    loop.until_ended(issue)


@pytest.mark.slow
def test_a_call_that_hangs_is_abandoned_after_its_states_time_limit_and_repeated(tmp_path: Path) -> None:
    with running_loop(tmp_path, speed=1, time_factor=0.02) as loop:
        loop.network.add("POST", "/git/trees", stalled, times=2)
        issue = loop.open()
        assert loop.until_ended(issue).status == "passed"
        assert loop.network.writes("/git/trees") == ["POST trees"] * 3


@pytest.mark.slow
def test_an_outage_delays_a_run_and_uses_no_retry(loop: Loop, model: str) -> None:
    loop.network.add("POST", "/git/trees", away, times=6)
    loop.network.add("PATCH", r"/issues/comments/", away, times=3)
    issue = loop.open(model_name=model)
    assert loop.until_ended(issue).status == "passed"
    assert "candidate: 1" in str(loop.file(f"training_history/models/{model}.yaml"))


def test_a_permanent_error_ends_the_run_and_is_reported(loop: Loop, model: str) -> None:
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
