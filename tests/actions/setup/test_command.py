"""The command ``modelyard`` of a checkout."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "actions" / "setup" / "command.sh"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return an environment whose Python prints how it was started."""
    folder = tmp_path / "the environment's"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "activate").write_text("ACTIVATED=yes\n", encoding="utf-8")
    python = folder / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$PYTHONPATH" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return folder


def clone(folder: Path) -> Path:
    (folder / "actions" / "setup").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / "actions" / "setup")
    return folder


def set_up(checkout: Path, environment: Path) -> None:
    subprocess.run(["sh", checkout / "actions" / "setup" / "command.sh", environment], check=True)


def output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_two_checkouts_that_share_an_environment_each_run_their_own_source(tmp_path: Path, environment: Path) -> None:
    first, second = clone(tmp_path / "first"), clone(tmp_path / "it's the second")
    before = sorted(environment.rglob("*"))
    set_up(first, environment)
    set_up(second, environment)

    for checkout in (first, second):
        assert output(checkout / ".modelyard" / "bin" / "modelyard", "--help") == f"{checkout} -P -m bot.cli --help\n"
    assert sorted(environment.rglob("*")) == before


def test_activating_puts_the_command_and_the_environment_on_the_path(tmp_path: Path, environment: Path) -> None:
    checkout = clone(tmp_path / "it's a checkout")
    set_up(checkout, environment)
    set_up(checkout, environment)  # a second `make` finds it as it is

    script = f'. "{checkout}/.modelyard/activate"; echo $ACTIVATED; modelyard doctor'
    assert output("sh", "-c", script) == f"yes\n{checkout} -P -m bot.cli doctor\n"
