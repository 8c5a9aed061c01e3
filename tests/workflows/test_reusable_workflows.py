"""What Modelyard's reusable workflows promise to their callers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actions.contracts.request import BaseRequest
from actions.contracts.stage import Stage
from runners.local.act.workflow_plan import inputs_of, load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
REUSABLE = ("train.yml", "operation.yml")
STAGES = ("prepare", "train", "evaluate", "judge", "publish")
TIME_OUTS = ("15", "${{ fromJSON(inputs.train_timeout_minutes) }}", "15", "5", "5")


def workflow(name: str) -> dict[str, Any]:
    return load((FOLDER / name).read_text(encoding="utf-8"))


def steps(name: str) -> list[tuple[str, dict[str, Any]]]:
    return [(job_id, step) for job_id, job in workflow(name)["jobs"].items() for step in job["steps"]]


def test_training_takes_these_inputs_as_text() -> None:
    found = inputs_of(workflow("train.yml"), "workflow_call")
    required = {name for name, one in found.items() if one.required}
    assert set(found) == {
        "run", "attempt", "start_at", "order", "runs_on", "train_timeout_minutes", "modelyard_repository",
        "modelyard_sha",
    }  # fmt: skip
    assert required == {"run", "attempt", "order"}
    assert {one.type for one in found.values()} == {"string"}
    assert found["train_timeout_minutes"].default == str(BaseRequest.model_fields["timeout_minutes"].default)


def test_an_operation_takes_these_inputs_as_text() -> None:
    found = inputs_of(workflow("operation.yml"), "workflow_call")
    assert set(found) == {
        "operation", "arguments", "runs_on", "storage_root", "modelyard_repository", "modelyard_sha",
    }  # fmt: skip
    assert {one.type for one in found.values()} == {"string"}


def test_set_up_is_told_what_an_operation_is_about_so_that_a_network_finds_pytorch() -> None:
    told = [step["env"] for _, step in steps("operation.yml") if step.get("uses", "").endswith("/actions/setup")]
    assert told == [
        {"MODELYARD_INPUT": "${{ inputs.arguments }}", "MODELYARD_STORAGE_ROOT": "${{ inputs.storage_root }}"}
    ]


def test_the_jobs_of_training_are_the_stages_in_their_order() -> None:
    jobs = workflow("train.yml")["jobs"]
    assert tuple(jobs) == STAGES == Stage.__args__  # type: ignore[attr-defined]
    assert tuple(job["timeout-minutes"] for job in jobs.values()) == TIME_OUTS
    for place, (stage, job) in enumerate(jobs.items()):
        assert job["name"] == stage
        assert job.get("needs", []) == list(STAGES[:place])
        assert job["steps"][-1]["with"]["name"] == stage


def test_only_publish_may_write_and_only_publish_has_a_token() -> None:
    definition = workflow("train.yml")
    assert definition["permissions"] == {}
    assert {stage: job["permissions"] for stage, job in definition["jobs"].items()} == {
        **{stage: {"contents": "read"} for stage in STAGES},
        "publish": {"contents": "write"},
    }
    assert [job for job, step in steps("train.yml") if "GITHUB_TOKEN" in step.get("env", {})] == ["publish"]
    assert workflow("operation.yml")["permissions"] == {}
    assert workflow("operation.yml")["jobs"]["operation"]["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("name", REUSABLE)
def test_people_s_text_travels_by_step_level_variables_alone(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    for word in ("order", "arguments", "operation", "storage_root"):
        for line in (line for line in text.splitlines() if re.search(rf"inputs\.{word}\b", line)):
            checked_only = f"contains(inputs.{word}, '$')" in line
            assert checked_only or re.fullmatch(rf"          MODELYARD_[A-Z_]+: \$\{{\{{ inputs\.{word} \}}\}}", line)
    assert not any("env" in job for job in workflow(name)["jobs"].values())
    assert not any("run" in step for _, step in steps(name))


@pytest.mark.parametrize("name", REUSABLE)
def test_checkout_is_the_only_foreign_action_and_pinned(name: str) -> None:
    used = {step["uses"] for _, step in steps(name)}
    foreign = {action for action in used if not action.startswith("./.modelyard-src/")}
    assert len(foreign) == 1
    assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", foreign.pop())
    for _, step in steps(name):
        if step["uses"].startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] == "false"


def test_both_workflows_pin_the_same_checkout() -> None:
    pins = {step["uses"] for name in REUSABLE for _, step in steps(name) if "checkout" in step["uses"]}
    assert len(pins) == 1


def tool(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def test_actionlint_finds_nothing() -> None:
    command = [tool("actionlint"), *(str(FOLDER / name) for name in REUSABLE)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_zizmor_finds_nothing() -> None:
    paths = [
        *(FOLDER / name for name in REUSABLE),
        ROOT / "actions" / "run",
        ROOT / "runners" / "local" / "act" / "checkout",
    ]
    command = [tool("zizmor"), "--offline", "--persona", "pedantic", "--config", str(ROOT / ".github" / "zizmor.yml")]
    ran = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_the_project_s_own_checks_are_ci_run_with_the_checkout_of_the_others_and_may_only_read() -> None:
    own = workflow("ci.yml")
    assert (own["permissions"], own["jobs"]["check"]["permissions"]) == ({}, {"contents": "read"})
    ran = {job: step["run"] for job, step in steps("ci.yml") if "run" in step}
    assert ran == {"check": ".ci/run", "audit": ".ci/audit"}
    checkouts = {
        step["uses"]
        for name in ("ci.yml", *REUSABLE)
        for _, step in steps(name)
        if "/checkout@" in step.get("uses", "")
    }
    assert len(checkouts) == 1
