"""``modelyard init`` writes what a repository needs, pinned, and overwrites nothing unasked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actions.safe_yaml import load
from bot.cli import main
from bot.config import parse_config
from bot.forms import render_form
from tests.support.repositories import repository

ROOT = Path(__file__).parents[2]
SHA = "0123456789" * 4
SOURCE = f"owner/modelyard@{SHA}"
FILES = [
    ".github/ISSUE_TEMPLATE/modelyard-train.yml",
    ".github/modelyard.yml",
    ".github/workflows/modelyard-operation.yml",
    ".github/workflows/modelyard-train.yml",
]
CALLERS = {"modelyard-train.yml": "train.yml", "modelyard-operation.yml": "operation.yml"}


def init(folder: Path, *arguments: str, source: str = SOURCE) -> int:
    return main(["init", "--source", source, "--directory", str(folder), *arguments])


def written(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def workflow(folder: Path, name: str) -> dict[str, Any]:
    text = (folder / ".github" / "workflows" / name).read_text(encoding="utf-8")
    content = load(text, source=name, limit=100_000)
    assert isinstance(content, dict)
    return content


def tool(name: str) -> str:
    """Return a program of the environment that runs the tests."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    assert found, f"{name} is missing"
    return found


def test_it_writes_four_files_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path) == 0
    assert list(written(tmp_path)) == FILES
    said = capsys.readouterr().out
    assert all(f"written    {name}" in said for name in FILES)
    assert written(tmp_path)[FILES[0]] == render_form()


def test_writing_the_same_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path)
    before = written(tmp_path)
    capsys.readouterr()
    assert init(tmp_path) == 0
    assert capsys.readouterr().out.count("unchanged") == 4
    assert written(tmp_path) == before


def test_a_file_that_differs_stops_everything_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / FILES[1]
    mine.parent.mkdir()
    mine.write_text("promotion: auto\n", encoding="utf-8")
    assert init(tmp_path) == 1
    assert list(written(tmp_path)) == [FILES[1]]
    assert f"found: {FILES[1]}" in capsys.readouterr().err
    assert init(tmp_path, "--force") == 0
    assert "promotion: approval" in mine.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "source", ["owner/modelyard@main", "owner/modelyard", f"owner@{SHA}", f"o/m@{SHA[:-1]}", f"o/m`x`@{SHA}"]
)
def test_a_source_that_can_move_is_refused(tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path, source=source) == 2
    assert "40 hexadecimal digits" in capsys.readouterr().err
    assert written(tmp_path) == {}


def test_nothing_is_written_through_a_link_that_leads_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "outside").mkdir()
    project = tmp_path / "project"
    project.mkdir()
    (project / ".github").symlink_to(tmp_path / "outside")
    assert init(project) == 2
    assert written(tmp_path / "outside") == {}
    assert "Files are written below the directory." in capsys.readouterr().err


def test_the_options_stand_in_the_configuration(tmp_path: Path) -> None:
    init(tmp_path, "--data-root", "/srv/data: x", "--data-root", "/srv/more", "--promotion", "auto")
    config = parse_config(written(tmp_path)[FILES[1]])
    assert (config.data_roots, config.promotion) == (["/srv/data: x", "/srv/more"], "auto")


def test_a_data_root_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path, "--data-root", "../data") == 2
    assert "'..'" in capsys.readouterr().err
    assert written(tmp_path) == {}


@pytest.mark.parametrize(("caller", "called"), CALLERS.items())
def test_a_caller_hands_over_just_what_the_called_workflow_takes(tmp_path: Path, caller: str, called: str) -> None:
    init(tmp_path)
    mine, theirs = workflow(tmp_path, caller), workflow(ROOT, called)
    (job,) = mine["jobs"].values()
    takes = theirs["on"]["workflow_call"]["inputs"]
    assert job["uses"] == f"owner/modelyard/.github/workflows/{called}@{SHA}"
    assert set(job["with"]) == set(takes)
    asked = mine["on"]["workflow_dispatch"]["inputs"]
    assert set(asked) - {"dispatch"} == set(takes) - {"modelyard_repository", "modelyard_sha"}
    for name, declared in ((name, one) for name, one in asked.items() if name in takes):
        assert declared.get("required", "false") == takes[name].get("required", "false")
        assert declared.get("default") == takes[name].get("default")
    assert job["with"]["modelyard_sha"] == SHA


def test_the_training_caller_is_found_by_its_run_and_asks_for_the_least(tmp_path: Path) -> None:
    init(tmp_path)
    caller = workflow(tmp_path, "modelyard-train.yml")
    assert caller["run-name"] == "${{ inputs.run }} attempt ${{ inputs.attempt }} dispatch ${{ inputs.dispatch }}"
    assert caller["permissions"] == {}
    assert caller["jobs"]["train"]["permissions"] == {"contents": "write"}
    assert "secrets" not in caller["jobs"]["train"]
    assert caller["on"]["workflow_dispatch"]["inputs"]["start_at"]["options"] == [
        "prepare", "train", "evaluate", "judge", "publish",
    ]  # fmt: skip


def test_the_workflows_pass_the_linters_at_their_strictest(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project")
    init(folder)
    workflows = sorted((folder / ".github" / "workflows").glob("*.yml"))
    for command in (
        [tool("zizmor"), "--offline", "--no-progress", "--persona", "pedantic", "."],
        [tool("actionlint"), *map(str, workflows)],
    ):
        ran = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60, encoding="utf-8")
        assert ran.returncode == 0, ran.stdout + ran.stderr
