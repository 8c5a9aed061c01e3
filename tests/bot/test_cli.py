"""The command ``modelyard``: what it says, how fast, and what it hands on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from actions.operation import operations
from bot.cli import main
from bot.runs.machines.training import MACHINE

ROOT = Path(__file__).parents[2]
COMMANDS = ("serve", "demo", "start", "run", "operations", "mcp", "init", "doctor", "docs")


def modelyard(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-m", "bot.cli", *arguments],
        cwd=folder, env=environment, capture_output=True, check=False, timeout=60, encoding="utf-8",
    )  # fmt: skip


def test_help_names_every_command_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert all(f"\n    {command}" in text for command in COMMANDS)
    assert "modelyard init --source OWNER/REPO@SHA" in text


@pytest.mark.parametrize("command", ["serve", "operations", "mcp", "init", "doctor", "docs"])
def test_every_command_s_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert (
        f"example:\n  {'MODELYARD_APP_ID=1' if command == 'serve' else f'modelyard {command}'}"
        in capsys.readouterr().out
    )


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
    assert "usage: modelyard" in capsys.readouterr().err


def test_help_imports_next_to_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom bot.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'pydantic', 'fastapi', 'httpx', 'mcp', 'yaml', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, check=True, timeout=60, encoding="utf-8",
    )  # fmt: skip
    assert ran.stderr.strip() == "[]"


def test_the_version_is_the_project_s(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert modelyard("--version", folder=tmp_path).stdout == f"modelyard {project['version']}\n"


def test_operations_are_one_name_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations"]) == 0
    assert capsys.readouterr().out.split("\n") == [*operations("bot.operations"), ""]


def test_operations_can_be_listed_with_schemas(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--json"]) == 0
    described = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    alias = described["set_model_alias"]
    assert alias["toolset"] == "model_registry"
    assert alias["where"] == "app"
    assert alias["hints"] == {"read_only": False, "destructive": True, "idempotent": True}
    assert alias["input_schema"]["required"] == ["name", "alias", "version"]
    assert set(alias["output_schema"]["properties"]) == {"name", "alias", "version", "before", "commit"}


def test_the_state_machine_is_printed_from_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "state-machine"]) == 0
    assert capsys.readouterr().out.strip() == MACHINE.mermaid().strip()


def test_run_reaches_the_operations_of_the_app_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "parse_issue", "--help"]) == 0
    assert "usage: modelyard run parse_issue" in capsys.readouterr().out


def test_serve_ends_and_names_the_settings_that_are_missing(tmp_path: Path) -> None:
    ended = modelyard("serve", "--port", "0", folder=tmp_path)
    assert ended.returncode == 2
    assert "MODELYARD_APP_ID" in ended.stderr
    assert "MODELYARD_WEBHOOK_SECRET" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("port", ["x", "-1", "65536"])
def test_an_invalid_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", f"--port={port}"])
    assert end.value.code == 2
    assert "a port must be a number from 0 to 65535" in capsys.readouterr().err


def test_a_closed_pipe_causes_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m bot.cli operations --json | head -n 1"
    ran = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True, check=True, timeout=60, encoding="utf-8",
    )  # fmt: skip
    assert ran.stdout == "[\n"
    assert ran.stderr == ""


def test_start_loads_nothing_of_the_app(tmp_path: Path) -> None:
    code = (
        "import sys\nimport bot.admin.start.command, bot.admin.start.client\n"
        "print(sorted({'fastapi', 'githubkit', 'jinja2', 'mcp', 'sqlalchemy', 'uvicorn'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=60, encoding="utf-8"
    )
    assert ran.stdout == "[]\n"
