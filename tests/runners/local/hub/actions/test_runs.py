"""Workflow runs through the hub's REST API and webhooks, executed by a script; and by act where that matters."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runners.local.hub.hub import Hub
from tests.support.github_openapi import check_shape
from tests.support.local_hub import MORE_EVENTS, RunningHub, running_hub, webhook_receiver
from tests.support.processes import running_with, seconds
from tests.support.scripted_runs import Script, ScriptedExecutor
from tests.support.workflows import CHECKOUT, add_workflow, commit, dispatch, jobs, left_behind, log, wait

WORKFLOW = """
name: Test
run-name: ${{ inputs.run }} by ${{ github.actor }}
on:
  workflow_dispatch:
    inputs:
      run: {type: string, required: true}
      size: {type: choice, options: [small, large], default: small}
      fast: {type: boolean}
      count: {type: number, default: 3}
permissions: {}
jobs:
  prepare:
    runs-on: [self-hosted, cpu]
    steps: [run: echo]
  train:
    needs: prepare
    runs-on: [self-hosted, cpu]
    steps: [run: echo]
"""
DISPATCHES = "/repos/owner/demo/actions/workflows/test.yml/dispatches"
RUNS = "/repos/owner/demo/actions/runs"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as found:
        add_workflow(found, WORKFLOW)
        yield found


@pytest.fixture
def running(shared: RunningHub) -> Iterator[RunningHub]:
    runs = shared.hub.runs
    runs.executor = ScriptedExecutor()
    runs.add_runner("laptop", ["cpu"])
    yield shared
    for run in runs.runs.find():
        runs.cancel(run)
        wait(shared, run.id)
    for runner in runs.runners.find():
        runs.runners.delete(runner.id)
    for run in runs.runs.find():
        runs.runs.delete(run.id)


def script(running: RunningHub, **scripts: Script) -> ScriptedExecutor:
    running.hub.runs.executor = executor = ScriptedExecutor(broken=None, **scripts)
    return executor


# --- workflows and dispatches ----------------------------------------------------------------------------------------


def test_the_workflows_are_those_of_the_default_branch(running: RunningHub) -> None:
    client = running.person("reader")
    every = client.get("/repos/owner/demo/actions/workflows").json()["workflows"]
    (listed,) = (one for one in every if one["path"] == ".github/workflows/test.yml")
    assert (listed["name"], listed["state"]) == ("Test", "active")
    for name in (listed["id"], "test.yml"):
        assert client.get(f"/repos/owner/demo/actions/workflows/{name}").json() == listed
    assert client.get("/repos/owner/demo/actions/workflows/missing.yml").status_code == 404


def test_a_dispatch_answers_with_the_run_where_it_is_asked_to(running: RunningHub) -> None:
    client = running.installation()
    body = {"ref": "main", "inputs": {"run": "a"}}
    assert client.post(DISPATCHES, json=body).status_code == 204
    details = client.post(DISPATCHES, json={**body, "return_run_details": True})
    assert details.status_code == 200
    run = wait(running, details.json()["workflow_run_id"])
    assert details.json()["run_url"] == run["url"]
    assert details.json()["html_url"] == run["html_url"]
    assert (run["display_title"], run["event"]) == ("a by modelyard[bot]", "workflow_dispatch")
    (earlier,) = (one for one in running.hub.runs.runs.find() if one.id != run["id"])
    assert run["run_number"] == earlier.run_number + 1
    newest = {"X-GitHub-Api-Version": "2026-03-10"}
    assert client.post(DISPATCHES, json=body, headers=newest).status_code == 200


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ref": "missing", "inputs": {"run": "a"}}, "No ref found for: missing"),
    ({"ref": "refs/pull/1/head", "inputs": {"run": "a"}}, "No ref found for: refs/pull/1/head"),
    ({"ref": "main", "inputs": {"run": "a", "foo": "1"}}, 'Unexpected inputs provided: ["foo"]'),
    ({"ref": "main"}, "Required input 'run' not provided"),
    (
        {"ref": "main", "inputs": {"run": "a", "size": "huge"}},
        "Provided value 'huge' for input 'size' not in the list of allowed values",
    ),
    (
        {"ref": "main", "inputs": {"run": "a", "fast": "maybe"}},
        "Provided value 'maybe' for input 'fast' is not a boolean",
    ),
    (
        {"ref": "main", "inputs": {"run": "a", "count": "many"}},
        "Provided value 'many' for input 'count' is not a number",
    ),
    ({"ref": "main", "inputs": {"run": ["a"]}}, "Invalid value for input 'run'"),
    ({"ref": "main", "inputs": {"run": "a" * 70_000}}, "inputs are too large."),
    ({"ref": "main", "inputs": ["run"]}, "Invalid request.\n\nFor 'properties/inputs', it is not an object."),
    ({"inputs": {}}, 'Invalid request.\n\n"ref" wasn\'t supplied.'),
]


def test_a_dispatch_that_does_not_fit_is_refused_in_github_s_words(running: RunningHub) -> None:
    client = running.person("writer")
    answers = [client.post(DISPATCHES, json=body) for body, _ in REFUSED]
    assert [(answer.status_code, answer.json()["message"]) for answer in answers] == [
        (422, message) for _, message in REFUSED
    ]
    assert running.hub.runs.runs.count() == 0


def test_a_workflow_that_takes_no_dispatch_refuses_it(running: RunningHub) -> None:
    add_workflow(running, "on: push\njobs: {a: {runs-on: x}}", "push.yml")
    answer = running.person("writer").post(DISPATCHES.replace("test.yml", "push.yml"), json={"ref": "main"})
    assert (answer.status_code, answer.json()["message"]) == (422, "Workflow does not have 'workflow_dispatch' trigger")


def test_only_those_who_may_write_can_start_and_cancel(running: RunningHub) -> None:
    body = {"ref": "main", "inputs": {"run": "a"}}
    assert running.person("reader").post(DISPATCHES, json=body).status_code == 403
    assert running.person("outsider").post(DISPATCHES, json=body).status_code == 404
    weak = running.installation(permissions={"actions": "read"})
    assert weak.post(DISPATCHES, json=body).status_code == 403
    run = dispatch(running, inputs={"run": "a"})
    assert running.person("reader").post(f"{RUNS}/{run}/cancel").status_code == 403


def test_values_that_are_not_text_become_text_and_defaults_are_filled_in(running: RunningHub) -> None:
    executor = script(running)
    run = dispatch(running, inputs={"run": "a", "fast": True, "count": 4})
    wait(running, run)
    assert executor.works[0].inputs == {"run": "a", "size": "small", "fast": "true", "count": "4"}


def test_inputs_that_were_left_empty_are_run_as_they_were_filled(running: RunningHub) -> None:
    text = """
on:
  workflow_dispatch:
    inputs:
      count: {type: number}
      size: {type: choice, options: [small, large]}
      fast: {type: boolean}
      name: {}
jobs: {a: {runs-on: cpu, steps: []}}
"""
    add_workflow(running, text, "optional.yml")
    executor = script(running)
    assert wait(running, dispatch(running, "optional.yml"))["conclusion"] == "success"
    assert executor.works[0].inputs == {"count": "", "size": "", "fast": "false", "name": ""}


def test_a_called_workflow_that_is_missing_is_a_start_up_failure(running: RunningHub) -> None:
    text = "on: workflow_dispatch\njobs: {a: {uses: owner/missing/.github/workflows/x.yml@main}}"
    add_workflow(running, text, "caller.yml")
    run = dispatch(running, "caller.yml")
    assert wait(running, run)["conclusion"] == "startup_failure"
    stored = running.hub.runs.runs.need(run)
    assert stored.problem == "workflow was not found: owner/missing/.github/workflows/x.yml@main"


def test_private_workflows_cannot_be_called_from_elsewhere(running: RunningHub) -> None:
    running.hub.create_repository("owner/secret")
    commit(running, {".github/workflows/x.yml": "on: workflow_call\njobs: {a: {runs-on: x}}"}, "owner/secret")
    add_workflow(
        running, "on: workflow_dispatch\njobs: {a: {uses: owner/secret/.github/workflows/x.yml@main}}", "c.yml"
    )
    assert wait(running, dispatch(running, "c.yml"))["conclusion"] == "startup_failure"


# --- runs and jobs ---------------------------------------------------------------------------------------------------


def test_a_run_its_jobs_and_their_logs_can_be_read(running: RunningHub) -> None:
    script(running, train=Script(log=("one", "two ghs_x")))
    run = dispatch(running, inputs={"run": "a"})
    assert wait(running, run)["conclusion"] == "success"
    found = jobs(running, run)
    assert [(job["status"], job["conclusion"], job["runner_name"]) for job in found.values()] == [
        ("completed", "success", "laptop")
    ] * 2
    assert [step["name"] for step in found["train"]["steps"]] == ["Train"]
    assert [line.split(" ", 1)[1] for line in log(running, found["train"]).splitlines()] == ["one", "two ghs_x"]
    client = running.person("reader")
    assert client.get(f"/repos/owner/demo/actions/jobs/{found['train']['id']}").json() == found["train"]
    assert client.get(f"{RUNS}/{run + 1}").status_code == 404


def test_a_log_can_be_read_only_with_a_good_address_and_after_the_job(running: RunningHub) -> None:
    executor = script(running, train=Script(hang=True, log=("so far",)))
    run = dispatch(running, inputs={"run": "a"})
    assert executor.hanging.wait(10)
    job = jobs(running, run)["train"]
    assert running.person("owner").get(f"/repos/owner/demo/actions/jobs/{job['id']}/logs").status_code == 404
    assert "so far" in running.hub.runs.log(running.hub.runs.jobs.need(job["id"]))
    running.person("owner").post(f"{RUNS}/{run}/cancel")
    wait(running, run)
    good = running.person("owner").get(f"/repos/owner/demo/actions/jobs/{job['id']}/logs", follow_redirects=False)
    address = good.headers["location"]
    for wrong in (address[:-1] + "x", address.replace("until=", "until=9"), address.split("?")[0]):
        assert httpx.get(wrong).status_code == 404
    assert httpx.get(address).status_code == 200


def test_a_failed_job_fails_the_run_and_later_ones_are_skipped(running: RunningHub) -> None:
    script(running, prepare=Script(outcome="failure"))
    run = dispatch(running, inputs={"run": "a"})
    assert wait(running, run)["conclusion"] == "failure"
    assert {name: job["conclusion"] for name, job in jobs(running, run).items()} == {
        "prepare": "failure",
        "train": "skipped",
    }


def test_runs_can_be_filtered(running: RunningHub) -> None:
    script(running, prepare=Script(outcome="failure"))
    first = dispatch(running, inputs={"run": "a"})
    wait(running, first)
    script(running)
    second = dispatch(running, inputs={"run": "b"})
    created = wait(running, second)["created_at"]
    # Not held against GitHub's description, which knows no dates and ranges for `created`; its documentation does.
    client = httpx.Client(headers={"Authorization": f"Bearer {running.ready.tokens['owner']}"})

    def ids(**query: str) -> list[int]:
        found: list[dict[str, Any]] = client.get(running.api_url + RUNS, params=query).json()["workflow_runs"]
        return [run["id"] for run in found]

    assert ids() == [second, first]
    assert ids(status="failure") == [first]
    assert ids(status="completed", event="workflow_dispatch", branch="main", actor="owner") == [second, first]
    assert ids(event="push") == ids(status="queued") == ids(actor="writer") == []
    assert ids(created=f">={created[:10]}") == ids(created=created[:10]) == [second, first]
    assert ids(created=f"<{created[:10]}") == ids(created="2020-01-01..2020-02-01") == ids(created="soon") == []
    assert ids(created=f"{created[:10]}..*") == ids(created=f"<={created}") == [second, first]
    assert ids(per_page="1", page="2") == [first]
    client.close()
    of_one = running.person("owner").get("/repos/owner/demo/actions/workflows/test.yml/runs").json()
    assert of_one["total_count"] == 2


def test_the_app_is_told_of_every_change(tmp_path: Path) -> None:
    with (
        webhook_receiver() as receiver,
        running_hub(tmp_path, webhook_url=receiver.url, app_events=MORE_EVENTS) as running,
    ):
        running.hub.runs.executor = ScriptedExecutor(prepare=Script(outcome="failure"))
        running.hub.runs.add_runner("laptop", ["cpu"])
        add_workflow(running, WORKFLOW)
        run = dispatch(running, inputs={"run": "a"})
        done = receiver.wait_for("workflow_run.completed")
        told = [name for name in receiver.names if name.startswith("workflow_")]
        assert told == [
            "workflow_dispatch", "workflow_run.requested", "workflow_job.queued", "workflow_run.in_progress", "workflow_job.in_progress",
            "workflow_job.completed", "workflow_job.completed", "workflow_run.completed",
        ]  # fmt: skip
        assert done.payload["workflow_run"]["id"] == run
        assert done.payload["workflow"]["path"] == ".github/workflows/test.yml"
        check_shape("workflow-run", done.payload["workflow_run"])
        job = receiver.wait_for("workflow_job.completed").payload["workflow_job"]
        check_shape("job", job)
        assert (job["name"], job["conclusion"]) == ("prepare", "failure")


# --- runners and the queue -------------------------------------------------------------------------------------------


def test_a_run_waits_visibly_for_a_runner_that_has_all_labels(running: RunningHub) -> None:
    add_workflow(running, "on: workflow_dispatch\njobs: {a: {runs-on: [self-hosted, gpu, big], steps: []}}", "gpu.yml")
    executor = script(running)
    running.hub.runs.add_runner("half", ["gpu"])
    run = dispatch(running, "gpu.yml")
    assert wait(running, run, "queued")["conclusion"] is None
    assert jobs(running, run)["a"]["status"] == "queued"
    stored = running.hub.runs.runs.need(run)
    assert running.hub.runs.waits_for(stored) == "No runner has all of the labels big, gpu, self-hosted."
    assert executor.works == []
    running.hub.runs.add_runner("whole", ["GPU", "big"])
    assert wait(running, run)["conclusion"] == "success"
    assert jobs(running, run)["a"]["runner_name"] == "whole"


def test_a_runner_does_one_run_at_a_time_and_the_oldest_comes_first(running: RunningHub) -> None:
    executor = script(running, prepare=Script(hang=True))
    first, second, third = (dispatch(running, inputs={"run": name}) for name in "abc")
    assert executor.hanging.wait(10)
    assert [running.hub.runs.runs.need(run).status for run in (first, second, third)] == [
        "in_progress", "queued", "queued",
    ]  # fmt: skip
    said = running.hub.runs.waits_for(running.hub.runs.runs.need(second))
    assert said == "Waiting for a runner with the labels cpu, self-hosted: laptop is busy."
    (runner,) = running.person("owner").get("/repos/owner/demo/actions/runners").json()["runners"]
    assert (runner["status"], runner["busy"]) == ("online", True)
    running.hub.runs.executor = ScriptedExecutor()
    running.person("owner").post(f"{RUNS}/{first}/cancel")
    for run in (first, second, third):
        wait(running, run)
    began = [running.hub.runs.runs.need(run) for run in (second, third)]
    assert [run.conclusion for run in began] == ["success", "success"]


def test_a_run_that_waits_for_several_runners_names_them_all(running: RunningHub) -> None:
    running.hub.runs.add_runner("second", ["cpu"])
    executor = script(running, prepare=Script(hang=True))
    first, _, third = (dispatch(running, inputs={"run": name}) for name in "abc")
    assert executor.hanging.wait(10)
    said = running.hub.runs.waits_for(running.hub.runs.runs.need(third))
    assert said == "Waiting for a runner with the labels cpu, self-hosted: laptop and second are busy."
    assert running.hub.runs.waits_for(running.hub.runs.runs.need(first)) is None


def test_two_runners_work_side_by_side(running: RunningHub) -> None:
    running.hub.runs.add_runner("second", ["cpu"])
    both = threading.Barrier(2)

    def meet(*_: object) -> None:
        both.wait(10)

    script(running, prepare=Script(do=meet))
    runs = [dispatch(running, inputs={"run": name}) for name in "ab"]
    assert [wait(running, run)["conclusion"] for run in runs] == ["success", "success"]


def test_runners_are_listed_for_those_who_administer(running: RunningHub) -> None:
    (runner,) = running.person("owner").get("/repos/owner/demo/actions/runners").json()["runners"]
    assert [label["name"] for label in runner["labels"]] == ["self-hosted", "cpu"]
    assert running.person("owner").get(f"/repos/owner/demo/actions/runners/{runner['id']}").json() == runner
    assert running.person("owner").get("/repos/owner/demo/actions/runners/999").status_code == 404
    assert running.person("writer").get("/repos/owner/demo/actions/runners").status_code == 403


# --- ends that nobody wished for -------------------------------------------------------------------------------------


def test_a_running_run_can_be_cancelled_once(running: RunningHub) -> None:
    executor = script(running, prepare=Script(hang=True))
    run = dispatch(running, inputs={"run": "a"})
    assert executor.hanging.wait(10)
    assert running.person("writer").post(f"{RUNS}/{run}/cancel").status_code == 202
    assert wait(running, run)["conclusion"] == "cancelled"
    assert jobs(running, run)["prepare"]["conclusion"] == "cancelled"
    again = running.person("writer").post(f"{RUNS}/{run}/cancel")
    assert again.status_code == 409


def test_a_queued_run_can_be_cancelled(running: RunningHub) -> None:
    add_workflow(running, "on: workflow_dispatch\njobs: {a: {runs-on: nowhere, steps: []}}", "gpu.yml")
    run = dispatch(running, "gpu.yml")
    assert running.person("owner").post(f"{RUNS}/{run}/cancel").status_code == 202
    assert wait(running, run)["conclusion"] == "cancelled"
    assert jobs(running, run)["a"]["conclusion"] == "cancelled"


def test_a_run_that_cannot_be_executed_fails_and_says_why(running: RunningHub) -> None:
    running.hub.runs.executor = ScriptedExecutor(broken="act is not installed")
    run = dispatch(running, inputs={"run": "a"})
    assert wait(running, run)["conclusion"] == "failure"
    assert "act is not installed" in log(running, jobs(running, run)["prepare"])
    running.hub.runs.executor = ScriptedExecutor()
    assert wait(running, dispatch(running, inputs={"run": "b"}))["conclusion"] == "success"


def test_a_run_whose_work_is_gone_when_its_turn_comes_fails_and_frees_its_runner(running: RunningHub) -> None:
    running.hub.create_repository("owner/shared", private=False)
    called = {".github/workflows/x.yml": "on: workflow_call\njobs: {a: {runs-on: later, steps: []}}"}
    commit(running, called, "owner/shared")
    text = "on: workflow_dispatch\njobs: {call: {uses: owner/shared/.github/workflows/x.yml@main}}"
    add_workflow(running, text, "calls.yml")
    run = dispatch(running, "calls.yml")
    commit(running, {".github/workflows/x.yml": "on: workflow_call\njobs: {a: {steps: []}}"}, "owner/shared")
    runner = running.hub.runs.add_runner("later", ["later"])
    assert wait(running, run)["conclusion"] == "failure"
    assert "job a does not say where it runs" in log(running, jobs(running, run)["call / a"])
    assert running.hub.runs.runners.need(runner.id).run_id is None


def test_a_run_without_a_token_fails_and_frees_its_runner(running: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(running.hub.auth, "issue_job_token", refuse)
        run = dispatch(running, inputs={"run": "a"})
        assert wait(running, run)["conclusion"] == "failure"
    assert "The runner broke: OSError" in log(running, jobs(running, run)["prepare"])
    assert wait(running, dispatch(running, inputs={"run": "b"}))["conclusion"] == "success"


def test_a_hub_that_stops_cancels_what_runs_and_keeps_what_is_queued(tmp_path: Path) -> None:
    with running_hub(tmp_path) as running:
        running.hub.runs.executor = executor = ScriptedExecutor(prepare=Script(hang=True))
        running.hub.runs.add_runner("laptop", ["cpu"])
        add_workflow(running, WORKFLOW)
        first, second = (dispatch(running, inputs={"run": name}) for name in "ab")
        assert executor.hanging.wait(10)
    with running_hub(tmp_path) as again:
        assert wait(again, first)["conclusion"] == "cancelled"
        assert wait(again, second)["conclusion"] == "success"


def test_a_hub_that_was_killed_says_so_and_goes_on_with_the_queue(tmp_path: Path) -> None:
    with running_hub(tmp_path) as running:
        running.hub.runs.executor = ScriptedExecutor(prepare=Script(outcome="success"))
        add_workflow(running, WORKFLOW)
        first, second = (dispatch(running, inputs={"run": name}) for name in "ab")
        _as_if_running(running.hub, first)
    with running_hub(tmp_path) as again:
        assert wait(again, first)["conclusion"] == "failure"
        job = jobs(again, first)["prepare"]
        assert job["conclusion"] == "failure"
        assert "The hub stopped while this job was running" in log(again, job)
        again.hub.runs.executor = ScriptedExecutor()
        again.hub.runs.add_runner("laptop", ["cpu"])
        assert wait(again, second)["conclusion"] == "success"


def _as_if_running(hub: Hub, run_id: int) -> None:
    (job,) = hub.runs.jobs.find(run_id=run_id)
    hub.runs.runs.update(run_id, status="in_progress")
    hub.runs.jobs.update(job.id, status="in_progress")


# --- with act --------------------------------------------------------------------------------------------------------


def test_act_runs_a_called_workflow_with_its_own_checkout_and_a_token_that_each_job_has(tmp_path: Path) -> None:
    called = f"""
on: {{workflow_call: {{inputs: {{sha: {{type: string}}}}}}}}
permissions: {{}}
jobs:
  read:
    runs-on: self-hosted
    permissions: {{contents: read}}
    steps:
      - uses: {CHECKOUT}
        with: {{repository: modelyard/tools, ref: '${{{{ inputs.sha }}}}', path: .tools, persist-credentials: false}}
      - uses: ./.tools/act
      - run: '! git -C .tools config --get-regexp "^http"'
      - uses: {CHECKOUT}
        with: {{path: here}}
      - run: git -C here push origin HEAD:refs/modelyard/read 2>&1
  write:
    needs: read
    if: always()
    runs-on: self-hosted
    permissions: {{contents: write}}
    steps:
      - uses: {CHECKOUT}
      - run: git push origin HEAD:refs/modelyard/written 2>&1
"""
    action = "name: A\ndescription: x\nruns: {using: composite, steps: [{shell: bash, run: echo from the action}]}\n"
    with running_hub(tmp_path) as running:
        hub = running.hub
        tools = hub.create_repository("modelyard/tools", private=False)
        sha = commit(running, {".github/workflows/called.yml": called, "act/action.yml": action}, "modelyard/tools")
        hub.runs.add_runner("laptop")
        add_workflow(
            running,
            f"on: workflow_dispatch\njobs:\n  call:\n    permissions: {{contents: write}}\n"
            f"    uses: modelyard/tools/.github/workflows/called.yml@{sha}\n    with: {{sha: {sha}}}\n",
        )
        run = dispatch(running)
        assert wait(running, run)["conclusion"] == "failure"
        found = jobs(running, run)
        read = log(running, found["call / read"])
        assert [step["conclusion"] for step in found["call / read"]["steps"]] == ["success"] * 5 + [
            "failure",
            "success",
        ]
        assert f"modelyard/tools at {sha} in .tools" in read
        assert "from the action" in read
        assert found["call / write"]["conclusion"] == "success"
        demo = hub.repository("owner/demo")
        assert demo is not None
        assert set(hub.git(demo).refs("refs/modelyard")) == {"refs/modelyard/written"}
        assert hub.tokens.find(run_id=run) == []
        assert left_behind(tmp_path) == []
        assert hub.git(tools).head("main") == sha


def test_cancelling_a_run_of_act_leaves_nothing(tmp_path: Path) -> None:
    with running_hub(tmp_path) as running:
        running.hub.runs.add_runner("laptop")
        script = f"setsid -f sleep {seconds(1)}; sleep {seconds(2)}"
        add_workflow(running, f"on: workflow_dispatch\njobs: {{a: {{runs-on: self-hosted, steps: [run: {script}]}}}}")
        run = dispatch(running)
        while not running_with("sleep", seconds(2)):
            assert wait(running, run, "in_progress")
        assert running.person("owner").post(f"{RUNS}/{run}/cancel").status_code == 202
        assert wait(running, run)["conclusion"] == "cancelled"
        assert jobs(running, run)["a"]["conclusion"] == "cancelled"
        assert (running_with("sleep", seconds(1)), running_with("sleep", seconds(2))) == ([], [])
        assert left_behind(tmp_path) == []
