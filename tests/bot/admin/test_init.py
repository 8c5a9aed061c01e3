"""``modelyard init`` writes what a repository needs, pinned, and overwrites nothing unasked."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actions.text.safe_yaml import load
from bot.cli import main
from bot.parsing.issue_templates import form_files
from bot.parsing.repository_config import parse_config
from tests.support.repositories import repository

ROOT = Path(__file__).parents[3]
SHA = "0123456789" * 4
SOURCE = f"owner/modelyard@{SHA}"
FILES = [
    ".github/CODEOWNERS",
    ".github/ISSUE_TEMPLATE/modelyard-classification.yml",
    ".github/ISSUE_TEMPLATE/modelyard-regression.yml",
    ".github/ISSUE_TEMPLATE/modelyard-tune.yml",
    ".github/modelyard.yml",
    ".github/workflows/modelyard-operation.yml",
    ".github/workflows/modelyard-train.yml",
]
OWNERS, CONFIG = FILES[0], FILES[4]
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


def test_init_writes_its_files_and_lists_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path) == 0
    assert list(written(tmp_path)) == FILES
    said = capsys.readouterr().out
    assert all(f"written    {name}" in said for name in FILES)
    assert form_files("modelyard-").items() <= written(tmp_path).items()


def test_running_init_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path, "--owner", "@org/ml")
    before = written(tmp_path)
    capsys.readouterr()
    assert init(tmp_path, "--owner", "@org/ml") == 0
    assert capsys.readouterr().out.count("unchanged") == len(FILES)
    assert written(tmp_path) == before


# --- what is there already -----------------------------------------------------------------------------------------------


def test_without_a_terminal_a_differing_file_shows_its_diff_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / CONFIG
    mine.parent.mkdir()
    mine.write_text("promotion: auto\n", encoding="utf-8")
    assert init(tmp_path) == 1
    assert written(tmp_path) == {CONFIG: "promotion: auto\n"}
    said = capsys.readouterr()
    assert f"found: {CONFIG}" in said.err
    assert "use --yes" in said.err
    assert f"--- a/{CONFIG}\n+++ b/{CONFIG}\n" in said.out
    assert "\n-promotion: auto\n" in said.out
    assert "\n+promotion: approval\n" in said.out
    assert "+++ b/.github/workflows" not in said.out, "what is new overwrites nothing"


@pytest.mark.parametrize("word", ["--yes", "--force"])
def test_with_yes_a_differing_file_shows_its_diff_and_is_overwritten(
    tmp_path: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / CONFIG
    mine.parent.mkdir()
    mine.write_text("promotion: auto\n", encoding="utf-8")
    assert init(tmp_path, word) == 0
    assert "promotion: approval" in mine.read_text(encoding="utf-8")
    said = capsys.readouterr().out
    assert "\n-promotion: auto\n" in said
    assert f"replaced   {CONFIG}" in said


def test_a_dry_run_shows_everything_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / CONFIG
    mine.parent.mkdir()
    mine.write_text("promotion: auto\n", encoding="utf-8")
    assert init(tmp_path, "--dry-run", "--owner", "@org/ml") == 0
    said = capsys.readouterr().out
    assert all(f"+++ b/{name}" in said for name in FILES)
    assert said.count("--- /dev/null") == len(FILES) - 1
    assert said.endswith("Nothing was written.\n")
    assert written(tmp_path) == {CONFIG: "promotion: auto\n"}


@pytest.mark.parametrize(("answer", "replaced"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_at_a_terminal_init_asks_about_each_file(tmp_path: Path, answer: str, replaced: bool) -> None:
    mine = tmp_path / CONFIG
    mine.parent.mkdir()
    mine.write_text("promotion: auto\n", encoding="utf-8")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bot.cli", "init", "--source", SOURCE, "--directory", str(tmp_path)]
    try:
        os.write(ours, answer.encode())
        ran = subprocess.run(
            command, stdin=theirs, capture_output=True, cwd=ROOT, encoding="utf-8", timeout=60, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert ran.returncode == 0, ran.stderr
    assert f"Replace {CONFIG} as shown? [y/N]" in ran.stdout
    assert ("promotion: approval" in mine.read_text(encoding="utf-8")) is replaced
    assert f"{'replaced  ' if replaced else 'kept      '} {CONFIG}" in ran.stdout
    assert list(written(tmp_path)) == FILES


def test_control_characters_in_a_file_are_shown_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / CONFIG
    mine.parent.mkdir()
    mine.write_text("# \x1b]0;owned\x07 \u202e\x9b2J\r\n", encoding="utf-8", newline="")
    init(tmp_path)
    said = capsys.readouterr()
    assert r"-# \x1b]0;owned\x07 \u202e\x9b2J" in said.out
    assert not set("\x1b\x07\x9b\u202e\r") & set(said.out + said.err)


def test_if_one_file_cannot_be_written_none_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "workflows").write_text("a file where a folder should be", encoding="utf-8")
    assert init(tmp_path) in (1, 2)
    assert list(written(tmp_path)) == [".github/workflows"]
    assert capsys.readouterr().err


def test_a_folder_in_place_of_a_file_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CONFIG).mkdir(parents=True)
    assert init(tmp_path, "--yes") == 2
    assert CONFIG in capsys.readouterr().err
    assert written(tmp_path) == {}


# --- CODEOWNERS ----------------------------------------------------------------------------------------------------------


def test_owners_are_written_to_codeowners(tmp_path: Path) -> None:
    init(tmp_path, "--owner", "@org/ml", "--owner", "@boss")
    lines = [line for line in written(tmp_path)[OWNERS].splitlines() if not line.startswith("#")]
    assert lines == [
        "/.github/modelyard.yml @org/ml @boss",
        "/.github/workflows/modelyard-*.yml @org/ml @boss",
        "/training_history/models/ @org/ml @boss",
        "/.github/CODEOWNERS @org/ml @boss",
    ]


def test_without_an_owner_codeowners_has_an_example_and_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path)
    assert all(line.startswith("#") for line in written(tmp_path)[OWNERS].splitlines())
    assert "init --owner" in capsys.readouterr().out


@pytest.mark.parametrize("place", [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"])
def test_an_existing_codeowners_is_extended_in_place(tmp_path: Path, place: str) -> None:
    mine = tmp_path / place
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("* @everybody\n", encoding="utf-8")
    assert init(tmp_path) == 0, "nobody is named, so there is nothing to change"
    assert mine.read_text(encoding="utf-8") == "* @everybody\n"
    assert init(tmp_path, "--owner", "@org/ml", "--yes") == 0
    text = mine.read_text(encoding="utf-8")
    assert text.startswith("* @everybody\n\n# --- Modelyard")
    assert f"\n/{place} @org/ml\n" in text
    assert [name for name in written(tmp_path) if name.endswith("CODEOWNERS")] == [place]


@pytest.mark.parametrize("owner", ["org/ml", "@org/ml @all", "@org\n* @me", "@", "@-x", "", "x" * 300, "`id`@x"])
def test_an_invalid_owner_is_reported(tmp_path: Path, owner: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path, f"--owner={owner}") == 2
    assert "@organisation/team" in capsys.readouterr().err
    assert written(tmp_path) == {}


def test_a_codeowners_that_is_not_text_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "CODEOWNERS").write_bytes(b"\xff\xfe")
    assert init(tmp_path, "--owner", "@org/ml", "--yes") == 2
    assert "UTF-8" in capsys.readouterr().err
    assert (tmp_path / "CODEOWNERS").read_bytes() == b"\xff\xfe"
    assert not (tmp_path / ".github").exists()


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source", ["owner/modelyard@main", "owner/modelyard", f"owner@{SHA}", f"o/m@{SHA[:-1]}", f"o/m`x`@{SHA}"]
)
def test_a_source_that_can_move_is_refused(tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path, source=source) == 2
    assert "40 hexadecimal digits" in capsys.readouterr().err
    assert written(tmp_path) == {}


def test_nothing_is_written_through_a_link_that_leads_outside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "outside").mkdir()
    project = tmp_path / "project"
    project.mkdir()
    (project / ".github").symlink_to(tmp_path / "outside")
    assert init(project) == 2
    assert written(tmp_path / "outside") == {}
    assert "Files must be below the directory." in capsys.readouterr().err


def test_the_options_are_written_to_the_configuration(tmp_path: Path) -> None:
    init(tmp_path, "--data-root", "/srv/data: x", "--data-root", "/srv/more", "--promotion", "auto")
    config = parse_config(written(tmp_path)[CONFIG])
    assert (config.data_roots, config.promotion) == (["/srv/data: x", "/srv/more"], "auto")


def test_an_invalid_data_root_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(tmp_path, "--data-root", "../data") == 2
    assert "'..'" in capsys.readouterr().err
    assert written(tmp_path) == {}


@pytest.mark.parametrize(("caller", "called"), CALLERS.items())
def test_a_caller_passes_exactly_the_inputs_of_the_called_workflow(tmp_path: Path, caller: str, called: str) -> None:
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


def test_the_training_caller_has_a_run_name_and_the_least_permissions(tmp_path: Path) -> None:
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
