"""What workflow files say before they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.local.act.workflow_plan import Input, PlannedJob, WorkflowError, inputs_of, load, plan, trigger

TRAIN = Path(__file__).parents[4] / ".github" / "workflows" / "train.yml"
CALLER = """
name: Caller
on:
  workflow_dispatch:
    inputs:
      order: {type: string, required: true}
      runs_on: {type: string, default: '["self-hosted"]'}
permissions: {}
jobs:
  train:
    uses: owner/library/.github/workflows/train.yml@abc
    permissions: {contents: RIGHTS}
    with:
      run: train-20261122-001
      order: ${{ inputs.order }}
      runs_on: ${{ inputs.runs_on }}
      train_timeout_minutes: "90"
"""


def planned(rights: str = "write") -> dict[str, PlannedJob]:
    contexts = {"inputs": {"order": "{}", "runs_on": '["self-hosted","gpu"]'}, "github": {}}
    text = TRAIN.read_text(encoding="utf-8")
    asked = []

    def fetch(repository: str, ref: str, path: str) -> str:
        asked.append((repository, ref, path))
        return text

    found = plan(load(CALLER.replace("RIGHTS", rights)), contexts, fetch)
    assert asked == [("owner/library", "abc", ".github/workflows/train.yml")]
    return {job.key: job for job in found}


def test_a_called_workflow_s_jobs_are_named_after_caller_and_job() -> None:
    assert [job.name for job in planned().values()] == [
        "train / prepare", "train / train", "train / evaluate", "train / judge", "train / publish",
    ]  # fmt: skip


def test_labels_and_time_outs_come_from_the_inputs() -> None:
    jobs = planned()
    assert {job.labels for job in jobs.values()} == {("self-hosted", "gpu")}
    assert [job.timeout_minutes for job in jobs.values()] == [15, 90, 15, 5, 5]


def test_a_called_job_gets_no_more_than_its_caller_has() -> None:
    assert [job.permissions for job in planned().values()] == [{"contents": "read"}] * 4 + [{"contents": "write"}]
    assert planned("read")["train/publish"].permissions == {"contents": "read"}


def test_a_called_workflow_that_is_not_there_is_named() -> None:
    contexts = {"inputs": {"order": "", "runs_on": "[]"}, "github": {}}
    with pytest.raises(WorkflowError, match=r"workflow was not found: owner/library/.+@abc"):
        plan(load(CALLER.replace("RIGHTS", "read")), contexts, lambda *_: None)


def test_workflows_that_call_each_other_end() -> None:
    text = "on: workflow_call\njobs: {a: {uses: ./.github/workflows/a.yml}}"
    with pytest.raises(WorkflowError, match="cannot call"):
        plan(load(text), {"inputs": {}, "github": {}}, lambda *_: text)


def test_names_that_yaml_takes_for_something_else_stay_as_written() -> None:
    text = "on:\n  workflow_dispatch:\n    inputs:\n      version: {default: 1.10, type: string}\njobs: {}"
    assert inputs_of(load(text), "workflow_dispatch") == {"version": Input("version", default="1.10")}


@pytest.mark.parametrize(
    "text", ["on: push\njobs: {}", "on: [push, workflow_call]\njobs: {}", "on: {push: }\njobs: {}"]
)
def test_a_workflow_says_what_starts_it(text: str) -> None:
    assert trigger(load(text), "push") == {}
    assert trigger(load(text), "workflow_dispatch") is None


@pytest.mark.parametrize(
    "text", ["", "[", "on: push", "jobs: {}", "a: &a [*a]", "x" * 600_000, "on: push\njobs: [a]", "\ttab: x"]
)
def test_what_is_no_workflow_is_refused(text: str) -> None:
    with pytest.raises(WorkflowError):
        load(text)


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("{steps: []}", "does not say where it runs"),
        ("{runs-on: '${{ matrix.os }}'}", "runs-on of a cannot be known"),
        ("{runs-on: x, timeout-minutes: soon}", "timeout-minutes of a is not a number"),
        ("text", "not a mapping"),
    ],
)
def test_a_job_that_cannot_be_planned_is_named(job: str, said: str) -> None:
    with pytest.raises(WorkflowError, match=said):
        plan(load(f"on: push\njobs: {{a: {job}}}"), {"inputs": {}, "github": {}}, lambda *_: None)


def test_steps_are_called_by_their_names_or_what_they_do() -> None:
    text = """
on: push
jobs:
  a:
    runs-on: {labels: [self-hosted]}
    steps:
      - {name: First, run: echo}
      - {id: two, run: "echo hello\\necho more"}
      - {uses: actions/checkout@v4}
"""
    (job,) = plan(load(text), {"inputs": {}, "github": {}}, lambda *_: None)
    assert job.steps == {"0": "First", "two": "Run echo hello", "2": "Run actions/checkout@v4"}
    assert job.actions == ("actions/checkout@v4",)
    assert job.timeout_minutes == 360
