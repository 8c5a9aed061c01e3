"""The command line of operations and stages, as a workflow's step and as a person meets it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actions.cli import DEFAULT_STORAGE
from actions.runtime.workflow_commands import error_command
from actions.storage.folder import write_atomically
from runners.job import main
from tests.support.records import RUN, record
from tests.support.repositories import commits, git, repository

ROOT = Path(__file__).parents[2]
SHA = hashlib.sha256(b"a model").hexdigest()


def run(*arguments: str, folder: Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m runners.job`` as a step does: from a checkout by PYTHONPATH."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-P", "-m", "runners.job", *arguments],
        cwd=folder, env=environment, input=stdin, capture_output=True, check=False, timeout=60, encoding="utf-8",
    )  # fmt: skip


REGISTER = ("register_model", "--name", "wine", "--run", RUN, "--attempt", "1", "--uri", "m.skops", "--sha256", SHA)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = repository(tmp_path / "project")
    write_atomically(folder / DEFAULT_STORAGE / "m.skops", "a model")
    monkeypatch.chdir(folder)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "MODELYARD_INPUT", "MODELYARD_STORAGE_ROOT"):
        monkeypatch.delenv(name, raising=False)
    return folder


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Call the command in this process and return the JSON on stdout."""
    assert main(arguments) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> dict[str, str]:
    """Call the command in this process and return the error on stderr."""
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    body: dict[str, str] = json.loads(captured.err)
    return body


# --- as a process ----------------------------------------------------------------------------------------------------


def test_stdout_contains_only_the_result(project: Path) -> None:
    done = run(*REGISTER, folder=project)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result == {
        "name": "wine",
        "version": 1,
        "commit": git(project, "rev-parse", "HEAD"),
        "aliases": ["candidate"],
    }


def test_a_step_passes_its_input_through_the_environment(project: Path) -> None:
    summary = project / "summary.md"
    given = json.dumps({"name": "wine", "run": RUN, "attempt": 1, "uri": "m.skops", "sha256": SHA})
    done = run(
        "register_model", folder=project,
        MODELYARD_INPUT=given, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert json.loads(done.stdout)["version"] == 1
    assert summary.read_text(encoding="utf-8").startswith("### register_model\n")
    assert "| version | 1 |" in summary.read_text(encoding="utf-8")


def test_arguments_can_come_as_json_on_stdin(project: Path) -> None:
    given = json.dumps({"record": json.loads(record().model_dump_json())})
    done = run("commit_training_history", "--json", "-", folder=project, stdin=given)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == 1
    assert (project / "training_history" / f"{RUN}.md").is_file()


def test_inside_actions_an_error_is_an_annotation_and_hostile_text_starts_no_command(project: Path) -> None:
    hostile = "x\r\n::add-mask::y\n::set-output name=a::b ##[group]z %0A::warning::w"
    summary = project / "summary.md"
    done = run(
        "get_model_version", "--name", hostile, folder=project,
        GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    commands = [line for line in done.stderr.splitlines() if line.lstrip().startswith("::") or "##[" in line]
    assert [line.split("::")[1].split()[0] for line in commands] == ["stop-commands", commands[1].strip(":"), "error"]
    assert commands[2].startswith("::error title=get_model_version%3A invalid_argument::name must match pattern ")
    assert "##[" not in summary.read_text(encoding="utf-8")


def test_what_a_crash_prints_starts_no_command(project: Path) -> None:
    (project / "crash.py").write_text(
        "from actions.operation import Result, operation\n"
        "@operation(where='app')\n"
        "def crash(text: str) -> Result:\n"
        "    '''Crash.\n\n    Parameters\n    ----------\n    text\n        Said.\n    '''\n"
        "    print(text)\n"
        "    raise RuntimeError(text)\n",
        encoding="utf-8",
    )
    code = "import sys, actions.cli as c; sys.exit(c.main(['crash', '--text', sys.argv[1]], c.Host(('crash',))))"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{project}", "GITHUB_ACTIONS": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code, "said\n::add-mask::x"],
        cwd=project, env=environment, capture_output=True, check=False, timeout=60, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert "RuntimeError" in done.stderr
    heeded, token = [], ""
    for line in done.stderr.splitlines():
        if token:
            token = "" if line == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif line.startswith("::"):
            heeded.append(line)
    assert heeded == ["::error title=crash crashed::RuntimeError: said%0A::add-mask::x"]


def test_workflow_commands_escape_what_would_end_them() -> None:
    command = error_command("a:b,c\n", "100%\r\n::x ##[y]")
    assert command == "::error title=a%3Ab%2Cc%0A::100%25%0D%0A::x #\u200b#[y]"


# --- in this process -------------------------------------------------------------------------------------------------


def test_a_number_is_accepted_as_text(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits = "1" * 64
    answer(capsys, *REGISTER, "--data_sha256", digits)
    assert answer(capsys, "get_model_version", "--name=wine", "--version", "1")["data_sha256"] == digits


def test_options_override_json_and_json_overrides_the_environment(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(capsys, *REGISTER)
    monkeypatch.setenv("MODELYARD_INPUT", '{"name": "a", "limit": 1, "offset": 1}')
    found = answer(capsys, "list_model_versions", "--json", '{"name": "b", "offset": 0}', "--name", "wine")
    assert [version["version"] for version in found["versions"]] == [1]


def test_the_checkout_and_the_storage_root_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = repository(tmp_path / "elsewhere")
    write_atomically(tmp_path / "m.skops", "a model")
    answer(capsys, *REGISTER, "--repository", str(folder), "--storage-root", str(tmp_path))
    assert commits(folder) == 2


def test_an_operation_s_own_parameter_comes_before_the_call_s_option(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(capsys, 1, "post_issue_comment", "--repository", "owner/project", "--issue", "1", "--body", "Hi")
    assert error["reason"] == "hub_unavailable"


@pytest.mark.parametrize(
    ("arguments", "reason", "next_step"),
    [
        (["registr_model"], "unknown_operation", "Did you mean register_model?"),
        (["get_model_version", "--nme", "x"], "unknown_argument", "Did you mean --name?"),
        (
            ["get_model_version", "--name", "x", "--storage-rot", "x"],
            "unknown_argument",
            "Did you mean --storage_root?",
        ),
        (["get_model_version", "--json", '{"nme": "x"}'], "unknown_argument", "Did you mean name?"),
        (
            ["get_model_version", "name"],
            "unexpected_argument",
            "Put the parameter's name before its value; --help lists the parameters.",
        ),
        (["get_model_version", "--json", "[1]"], "invalid_json", 'Write it like {"name": "value"}.'),
        (["get_model_version", "--json", '{"name": NaN}'], "invalid_json", 'Write it like {"name": "value"}.'),
        (["get_model_version", "--json", "[" * 100_000], "invalid_json", 'Write it like {"name": "value"}.'),
        (["get_model_version"], "invalid_argument", "Add name."),
        (["prepare", "--json", '{"run": "train-1"}'], "invalid_argument", "Correct the value of run."),
        (["prepare", "--json", '{"rum": "train-1"}'], "unknown_argument", "Did you mean run?"),
    ],
)
def test_invalid_input_exits_with_2_and_suggests_a_fix(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str, next_step: str
) -> None:
    error = refusal(capsys, 2, *arguments)
    assert (error["reason"], error["next_step"]) == (reason, next_step)


def test_any_other_error_exits_with_1(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, 1, "get_model_version", "--name", "wine")["reason"] == "model_not_found"


def test_help_lists_every_operation_and_explains_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    assert "  register_model               Register a trained model as the next version" in overview
    assert main(["set_model_alias", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--version (integer; required)\n      The version number." in text
    assert "set_model_alias --name NAME --alias ALIAS --version VERSION" in text


def test_without_a_name_the_help_is_shown_and_the_call_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().out


def order_in(tmp_path: Path) -> str:
    """Return a work order whose storage root is there."""
    (tmp_path / "storage").mkdir()
    order = {
        "run": RUN,
        "attempt": 1,
        "repository": "owner/project",
        "issue": 1,
        "request": record().request.model_dump(mode="json"),
        "storage_root": str(tmp_path / "storage"),
        "training_seed": 42,
    }
    return json.dumps(order)


def test_a_stage_runs_by_its_name(project: Path, tmp_path: Path) -> None:
    done = run("prepare", folder=project, MODELYARD_INPUT=order_in(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stage"] == "prepare"
    assert (tmp_path / "storage/owner/project/processed" / RUN / "1/prepare.json").is_file()


def test_several_stages_run_one_after_another_in_one_process(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_INPUT", order_in(tmp_path))
    names = ["prepare", "train", "evaluate", "judge"]
    first = answer(capsys, *names)["stages"]
    assert [(stage["stage"], stage["skipped"]) for stage in first] == [(name, False) for name in names]
    assert first[-1]["record"]["result"]["verdict"]["status"] == "passed"
    assert all(stage["skipped"] for stage in answer(capsys, *names)["stages"])


def test_a_failed_stage_stops_the_stages_after_it(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_INPUT", order_in(tmp_path))
    assert main(["train", "judge"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert '"reason": "stage_missing"' in said.err
    assert not (tmp_path / "storage/owner/project/evaluations").exists()
