"""A clone may lie under a path with a space."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_make_sets_itself_up_under_a_path_with_a_space(tmp_path: Path) -> None:
    clone = tmp_path / "a b" / "modelyard"
    (clone / "requirements").mkdir(parents=True)
    (clone / "bot").mkdir()
    for lock in ("runner.txt", "local.txt"):
        (clone / "requirements" / lock).write_text("# installs nothing\n", encoding="utf-8")
    shutil.copy(ROOT / "Makefile", clone)
    shutil.copytree(ROOT / "actions" / "setup", clone / "actions" / "setup")
    command_line = "import sys\nprint(sys.prefix, sys.argv[1:], sep='|')\n"
    (clone / "bot" / "cli.py").write_text(command_line, encoding="utf-8")
    # A make that started the tests passes its own variables on.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment = inherited | {"MODELYARD_BASE_PYTHON": os.path.realpath(sys.executable), "PIP_NO_INDEX": "1"}

    made = subprocess.run(
        ["make", "-s", "demo", "ARGS=--only-serve"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    prefix, arguments = made.stdout.strip().split("|")
    assert arguments == "['demo', '--only-serve']"
    assert Path(prefix).parent == clone / ".modelyard" / "environments"

    installed = clone / ".modelyard" / "bin" / "modelyard"
    asked = subprocess.run([installed, "operations"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert asked.stdout == f"{prefix}|['operations']\n"
