"""The composite Action that runs one operation or stage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "actions" / "run"
GOOD = {"NAME": "load_dataset", "ESCAPED": "true", "MODELYARD_PYTHON": sys.executable}


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(FOLDER / "run.sh")],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_operation_runs_from_modelyard_s_own_source_whatever_lies_in_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "__init__.py").write_text("raise SystemExit('a stranger')", encoding="utf-8")
    ran = run(tmp_path, **GOOD, MODELYARD_INPUT='{"data": "sklearn://nothing"}', MODELYARD_SHA="a" * 40)
    first = ran.stdout.splitlines()[0]
    assert first == f"Modelyard {'a' * 40}, load_dataset, {sys.executable}"
    assert "a stranger" not in ran.stdout + ran.stderr
    assert '"kind"' in ran.stderr


def test_the_name_may_come_from_the_calling_step(tmp_path: Path) -> None:
    ran = run(tmp_path, **{**GOOD, "NAME": "", "MODELYARD_OPERATION": "load_dataset", "MODELYARD_INPUT": "{}"})
    assert "load_dataset" in ran.stdout


@pytest.mark.parametrize(
    ("runner", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")], ids=["default", "runner's own"]
)
def test_threads_that_wait_leave_their_core_to_others_unless_the_runner_says_otherwise(
    tmp_path: Path, runner: dict[str, str], policy: str
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$OMP_WAIT_POLICY"\n', encoding="ascii")
    python.chmod(0o755)
    ran = run(tmp_path, **{**GOOD, "MODELYARD_PYTHON": str(python), **runner})
    assert ran.stdout.splitlines()[-1] == policy


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ESCAPED": "false"}, "dollar sign"),
        ({"ESCAPED": ""}, "dollar sign"),
        ({"NAME": "$(id)"}, "Not the name"),
        ({"NAME": "../x"}, "Not the name"),
        ({"NAME": ""}, "Not the name"),
        ({"MODELYARD_PYTHON": ""}, "actions/setup has to run before"),
    ],
)
def test_what_cannot_be_run_safely_is_refused(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    ran = run(tmp_path, **{**GOOD, **changes})
    assert ran.returncode == 2
    assert ran.stdout.startswith("::error title=Modelyard::")
    assert said in ran.stdout


def test_no_input_of_the_action_carries_a_person_s_text() -> None:
    action = yaml.safe_load((FOLDER / "action.yml").read_text(encoding="utf-8"))
    assert set(action["inputs"]) == {"name", "escaped"}
    (step,) = action["runs"]["steps"]
    assert "${{" not in step["run"]
