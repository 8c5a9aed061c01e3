"""What holds for every workflow: those of this repository, and those that `modelyard init` writes into another."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.text import safe_yaml
from bot.admin.init import Source, files

ROOT = Path(__file__).parents[2]
OWN = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}
WRITTEN = {
    Path(name).name: text
    for name, text in files(Source("owner/modelyard", "0123456789" * 4)).items()
    if name.startswith(".github/workflows/")
}
WORKFLOWS = OWN | WRITTEN
ACTIONS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("[ar]*/**/action.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}|\./[\w./-]+")
FROM_OUTSIDE = {"pull_request_target", "workflow_run", "issues", "issue_comment", "fork", "discussion", "watch"}
"""Events that people from outside cause, and that run with this repository's rights."""

every = pytest.mark.parametrize("name", WORKFLOWS)


def load(text: str) -> dict[str, Any]:
    content = safe_yaml.load(text, source="workflow", limit=100_000)
    assert isinstance(content, dict)
    return content


def events(name: str) -> set[str]:
    started_by = load(WORKFLOWS[name])["on"]
    return {started_by} if isinstance(started_by, str) else set(started_by)


def jobs(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(WORKFLOWS[name])["jobs"]
    return found


def uses(content: Any) -> Iterator[str]:
    """Find every `uses:`, wherever it stands."""
    if isinstance(content, dict):
        if isinstance(content.get("uses"), str):
            yield content["uses"]
        for value in content.values():
            yield from uses(value)
    elif isinstance(content, list):
        for value in content:
            yield from uses(value)


def test_there_is_something_to_look_at() -> None:
    assert set(OWN) >= {"ci.yml", "train.yml", "operation.yml"}
    assert set(WRITTEN) == {"modelyard-train.yml", "modelyard-operation.yml"}
    assert ACTIONS == ["actions/run/action.yml", "actions/setup/action.yml", "runners/local/act/checkout/action.yml"]


@every
def test_permissions_start_from_none_and_each_job_says_its_own(name: str) -> None:
    assert load(WORKFLOWS[name])["permissions"] == {}
    for job in jobs(name).values():
        assert isinstance(job["permissions"], dict)
        assert set(job["permissions"].values()) <= {"read", "write"}


def test_no_job_but_that_of_publish_may_write() -> None:
    may_write = {
        (name, job_id): job["permissions"]
        for name in WORKFLOWS
        for job_id, job in jobs(name).items()
        if "write" in job["permissions"].values()
    }
    # The caller's job grants what publish takes: a called workflow's job gets no more than that.
    assert may_write == {
        ("train.yml", "publish"): {"contents": "write"},
        ("modelyard-train.yml", "train"): {"contents": "write"},
    }


@pytest.mark.parametrize("name", [*WORKFLOWS, *ACTIONS])
def test_all_that_is_used_is_pinned_by_a_commit(name: str) -> None:
    content = load(WORKFLOWS[name] if name in WORKFLOWS else (ROOT / name).read_text(encoding="utf-8"))
    for used in uses(content):
        assert PINNED.fullmatch(used), used


@every
def test_no_checkout_keeps_its_credentials(name: str) -> None:
    for job in jobs(name).values():
        for step in job.get("steps", []):
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] == "false"


@every
def test_what_events_start_has_a_concurrency_group_and_every_job_a_time_out(name: str) -> None:
    content = load(WORKFLOWS[name])
    if events(name) == {"workflow_call"}:
        # A called workflow is in its caller's group; in a group of the same name it would wait for itself.
        assert "concurrency" not in content
    else:
        assert content["concurrency"]["group"]
        assert content["concurrency"]["cancel-in-progress"] in {"true", "false"}
    for job in jobs(name).values():
        # A job that calls a workflow may have none; the called one's jobs have.
        assert ("timeout-minutes" in job) is ("uses" not in job)


@every
def test_nobody_from_outside_starts_a_workflow_that_has_rights_or_secrets(name: str) -> None:
    assert not events(name) & FROM_OUTSIDE
    if "pull_request" in events(name):
        # A fork's pull request runs its own code here: on GitHub's machines, and it can read what everybody can.
        assert {job["runs-on"] for job in jobs(name).values()} == {"ubuntu-latest"}
        assert {level for job in jobs(name).values() for level in job["permissions"].values()} <= {"read"}


@every
def test_no_workflow_is_given_a_secret_or_hands_one_on(name: str) -> None:
    assert "secrets" not in re.sub(r"(?m)#.*$", "", WORKFLOWS[name]), "neither `secrets: inherit` nor `secrets.NAME`"
    tokens = [line.strip() for line in WORKFLOWS[name].splitlines() if "github.token" in line]
    assert tokens == (["GITHUB_TOKEN: ${{ github.token }}"] if name == "train.yml" else [])


def test_self_hosted_runners_take_what_the_app_dispatches_alone() -> None:
    for name in WORKFLOWS:
        labels = {str(job.get("runs-on", "")) for job in jobs(name).values()} - {""}
        if labels != {"ubuntu-latest"}:
            assert events(name) <= {"workflow_dispatch", "workflow_call"}


@pytest.mark.parametrize("name", [*WORKFLOWS, *ACTIONS])
def test_no_expression_stands_in_a_script(name: str) -> None:
    content = load(WORKFLOWS[name] if name in WORKFLOWS else (ROOT / name).read_text(encoding="utf-8"))
    steps = [step for job in content.get("jobs", {}).values() for step in job.get("steps", [])]
    for step in [*steps, *content.get("runs", {}).get("steps", [])]:
        assert "${{" not in step.get("run", "")


def test_a_group_is_each_runs_own_so_that_none_replaces_another_that_waits() -> None:
    for name in WRITTEN:
        assert load(WRITTEN[name])["concurrency"] == {
            "group": "modelyard-${{ github.run_id }}",
            "cancel-in-progress": "false",
        }


# --- what keeps it so ----------------------------------------------------------------------------------------------------


def test_the_locks_are_audited_on_each_change_and_every_week_by_a_pinned_tool_that_gets_no_rights() -> None:
    started_by = load(OWN["ci.yml"])["on"]
    assert started_by["schedule"] == [{"cron": "17 5 * * 1"}]
    assert {"push", "pull_request"} <= set(started_by)
    assert jobs("ci.yml")["audit"]["permissions"] == {"contents": "read"}
    assert "if" not in jobs("ci.yml")["audit"]
    script = (ROOT / ".ci" / "audit").read_text(encoding="utf-8")
    assert re.search(r"^version=\d+\.\d+\.\d+$", script, re.MULTILINE)
    assert "pip-audit==$version" in script
    locks = {f"requirements/{path.name}" for path in (ROOT / "requirements").glob("*.txt")}
    assert set(re.findall(r"requirements/\w+\.txt", script)) == locks


def test_the_audit_hands_every_lock_to_the_tool_and_fails_as_it_does(tmp_path: Path) -> None:
    tool = tmp_path / "uv"
    tool.write_text('#!/bin/sh\necho "$@"\nexit 7\n', encoding="utf-8")
    tool.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    ran = subprocess.run(
        [ROOT / ".ci" / "audit"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 7
    assert ran.stdout.startswith("tool run --from pip-audit==")
    assert "--strict" in ran.stdout.split()
    assert ran.stdout.count("--requirement requirements/") == 5


def test_without_a_tool_the_audit_fails_and_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    ran = subprocess.run(
        ["/bin/sh", ROOT / ".ci" / "audit"],
        env={"PATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "uv or pipx is needed" in ran.stderr


def test_dependabot_watches_packages_and_actions_weekly_in_groups_after_a_cooling_time() -> None:
    watched = load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert [one["package-ecosystem"] for one in watched] == ["pip", "github-actions"]
    for one in watched:
        assert one["schedule"]["interval"] == "weekly"
        assert int(one["cooldown"]["default-days"]) >= 7
        assert all(group["patterns"] == ["*"] for group in one["groups"].values())
    folders = {f"/{Path(path).parent}" for path in ACTIONS}
    assert set(watched[1]["directories"]) == {"/", *folders}


def test_the_page_about_security_says_how_to_report_what_is_supported_and_what_is_not_withstood() -> None:
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for words in ("Report a vulnerability", "Supported versions", "Threat model", "docs/threats.md", "What is not"):
        assert words in page
    for place in re.findall(r"\]\((docs/[\w.-]+)\)", page):
        assert (ROOT / place).is_file()


@pytest.mark.parametrize(
    "command",
    [
        ["zizmor", "--offline", "--no-progress", "--persona", "pedantic", ".github", "actions", "runners"],
        ["actionlint", *(f".github/workflows/{name}" for name in OWN)],
    ],
    ids=["zizmor", "actionlint"],
)
def test_the_linters_find_nothing_at_their_strictest(command: list[str]) -> None:
    beside = Path(sys.executable).parent / command[0]
    program = str(beside) if beside.is_file() else shutil.which(command[0])
    assert program, f"{command[0]} is missing"
    ran = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
