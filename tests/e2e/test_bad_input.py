"""Bad input, for real: a comment that helps, a label, and nothing left behind in storage or git.

What the form alone shows to be wrong is told before anything runs; what only the data shows, by the stage prepare.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.local.act import processes
from tests.support.real_loop import RealLoop

slow = pytest.mark.slow
FLOWERS = "colour,petals,height,kind\n" + "".join(
    f"{'red' if number % 2 else 'blue'},{number % 7},{number / 3:.2f},{'rose' if number % 2 else 'lily'}\n"
    for number in range(60)
)


@contextlib.contextmanager
def nothing_left(loop: RealLoop, *, runs: int = 0) -> Iterator[None]:
    """See that storage, the default branch and the published refs are afterwards what they were before.

    ``runs`` is how many workflow runs it takes to see that something is wrong.
    """
    before, ran = (loop.stored(), loop.head(), loop.refs()), loop.get("/actions/runs")["total_count"]
    yield
    after, has_run = (loop.stored(), loop.head(), loop.refs()), loop.get("/actions/runs")["total_count"]
    assert sorted(after[0]) == sorted(before[0])
    assert after == before
    assert has_run - ran == runs


def refused(loop: RealLoop, issue: int) -> str:
    """Wait until an issue is told to be wrong, and nothing else happens to it; return the one comment."""
    loop.until_label(issue, "mlops:invalid")
    assert loop.get(f"/issues/{issue}")["state"] == "open", "it can be corrected"
    (comment,) = loop.comments(issue)
    assert "edit" in comment, "it says how to go on"
    assert "checks it again immediately" in comment
    return comment


# --- what the form shows -------------------------------------------------------------------------------------------------


def test_a_data_set_that_scikit_learn_does_not_have(real: RealLoop, model: str) -> None:
    with nothing_left(real):
        issue = real.open(model_name=model, data="sklearn://breast_cancr")
        comment = refused(real, issue)
    assert "| Data |" in comment
    assert "`sklearn://breast_cancr`" in comment
    assert "Did you mean sklearn://breast_cancer?" in comment
    assert real.run(issue) == ""


def test_a_threshold_that_its_metric_never_reaches(real: RealLoop, model: str) -> None:
    with nothing_left(real):
        issue = real.open(model_name=model, metric="accuracy", threshold="95")
        comment = refused(real, issue)
    assert "| Threshold | For accuracy, the threshold must be between 0 and 1. | `95` |" in comment
    assert real.run(issue) == ""


def test_the_label_without_the_form(real: RealLoop) -> None:
    with nothing_left(real), real.person("owner") as client:
        body = {"title": "Our model is bad", "body": "Please train it again.", "labels": ["mlops:train"]}
        issue = client.post("/issues", json=body).raise_for_status().json()["number"]
        real.until_label(issue, "mlops:invalid")
        (comment,) = real.comments(issue)
    assert "`mlops:train`" in comment
    assert "was not created with a form" in comment
    assert "open a new issue with one of the forms, for example **Train a classifier**" in comment
    assert real.run(issue) == ""


@pytest.mark.parametrize(
    ("line", "instead", "says"),
    [
        (
            "### Target column\n\ntarget\n\n",
            "",
            ["| Target column |", "Its heading is missing.", "### Target column"],
        ),
        ("### Target column\n", "### Traget colum\n", ["| Form |", "`### Traget colum`", "### Target column instead"]),
    ],
    ids=["heading removed", "heading misspelt"],
)
def test_a_form_that_was_edited_by_hand(real: RealLoop, model: str, line: str, instead: str, says: list[str]) -> None:
    with nothing_left(real):
        issue = real.open(model_name=model, threshold="95")
        refused(real, issue)
        real.edit(issue, lambda body: body.replace(line, instead).replace("\n95\n", "\n0.95\n"))
        real.until(lambda: "| Threshold |" not in real.comments(issue)[0], "the edit was read")
        comment = refused(real, issue)
    for text in says:
        assert text in comment
    assert real.run(issue) == ""


# --- what the data shows -------------------------------------------------------------------------------------------------


def test_a_target_that_is_not_a_column(real: RealLoop, model: str) -> None:
    data = real.data("flowers.csv", FLOWERS)
    with nothing_left(real, runs=1):
        comment = refused(real, real.open(model_name=model, data=data, target="Kind"))
    assert "**Field:** `target`" in comment
    assert "no column 'Kind'" in comment
    assert "kind, " in comment, "the columns of the data, most similar first"
    assert "`target_missing`" in comment


def test_a_split_column_that_does_not_exist(real: RealLoop, model: str) -> None:
    data = real.data("flowers.csv", FLOWERS)
    with nothing_left(real, runs=1):
        issue = real.open(model_name=model, data=data, target="kind", split="group", split_column="color")
        comment = refused(real, issue)
    assert "**Field:** `split_column`" in comment
    assert "'color'" in comment
    assert "colour, " in comment, "the columns of the data, most similar first"
    assert "`split_column_missing`" in comment


@slow
def test_a_file_that_is_not_there(real: RealLoop, model: str) -> None:
    real.data("flowers.csv", FLOWERS)
    with nothing_left(real, runs=1):
        comment = refused(real, real.open(model_name=model, data="flower.csv", target="kind"))
    assert "**Field:** `data`" in comment
    assert "no file flower.csv. Files there: flowers.csv" in comment
    assert "`data_not_found`" in comment


@slow
def test_measurements_as_the_target_of_a_classification(real: RealLoop, model: str) -> None:
    with nothing_left(real, runs=1):
        comment = refused(real, real.open(model_name=model, data="sklearn://diabetes"))
    assert "**Field:** `target`" in comment
    assert "column 'target' contains 214 different numbers in 442 rows" in comment
    assert "or the task regression" in comment
    assert "`target_wrong_kind`" in comment


@slow
def test_text_as_the_target_of_a_regression(real: RealLoop, model: str) -> None:
    data = real.data("flowers.csv", FLOWERS)
    with nothing_left(real, runs=1):
        issue = real.open(model_name=model, data=data, target="kind", metric="rmse", threshold="1")
        comment = refused(real, issue)
    assert "**Field:** `target`" in comment
    assert "column 'kind' contains text, such as 'lily' in row 1" in comment
    assert "or the task classification" in comment
    assert "`target_wrong_kind`" in comment


@slow
@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "nothing in empty.csv"), (b"colour,kind\n", "columns but no rows in empty.csv")],
    ids=["no byte", "no row"],
)
def test_an_empty_file(real: RealLoop, model: str, content: bytes, found: str) -> None:
    data = real.data("empty.csv", content)
    with nothing_left(real, runs=1):
        comment = refused(real, real.open(model_name=model, data=data, target="kind"))
    assert "**Field:** `data`" in comment
    assert found in comment
    assert "Choose a file that has rows" in comment
    assert "`data_empty`" in comment


@slow
def test_a_csv_with_bytes_that_are_not_text(real: RealLoop, model: str) -> None:
    data = real.data("broken.csv", FLOWERS.encode() + b"gr\xfcn,1,2,rose\n")
    with nothing_left(real, runs=1):
        comment = refused(real, real.open(model_name=model, data=data, target="kind"))
    assert "**Field:** `data`" in comment
    assert (
        "in broken.csv: byte 0xfc in line 62, column 'colour', is not UTF-8; in Windows-1252 it would be 'ü'" in comment
    )
    assert "`data_unreadable`" in comment


@slow
def test_a_ragged_csv_runs_once_it_is_fixed(real: RealLoop, model: str) -> None:
    data = real.data("ragged.csv", FLOWERS + "red,1,2\n")
    with nothing_left(real, runs=1):
        issue = real.open(model_name=model, data=data, target="kind", algorithm="logistic_regression")
        comment = refused(real, issue)
    assert "**Field:** `data`" in comment
    assert "in ragged.csv: line 62 has 3 fields, the header 4" in comment
    assert "`data_unreadable`" in comment
    real.data("ragged.csv", FLOWERS)
    real.edit(issue, lambda body: body.replace("### Notes\n\n_No response_", "### Notes\n\nCorrected."))
    run = real.until_closed(issue, "mlops:passed")
    assert real.history(run)["request"]["notes"] == "Corrected."
    assert "The problem reported here is fixed." in real.comments(issue)[0]


# --- stages that crash ---------------------------------------------------------------------------------------------------


def failed(loop: RealLoop, issue: int, stage: str, head: str) -> str:
    """Wait for a run's end, see that it failed in a stage and that its history says so; return the comment."""
    run = loop.until_closed(issue, "mlops:failed")
    comment = loop.comment(issue)
    assert f"❌ Failed in the `{stage}` stage" in comment
    assert f"The `{stage}` stage ended with an error in the step `{stage.capitalize()}`." in comment
    assert "End of the log" in comment
    assert "Nothing has changed in production." in comment
    assert loop.history(run)["status"] == "failed"
    assert loop.history(run)["error"]["stage"] == stage
    model = loop.history(run)["request"]["model_name"]
    assert loop.file(f"training_history/models/{model}.yaml") is None
    changed = loop.hub.git(loop.ready.repository).run("diff", "--name-only", head, "main").decode().split()
    assert all(run in name or name == "training_history/index.md" for name in changed)
    assert loop.refs() == []
    return comment


@slow
def test_a_stage_that_is_killed_ends_the_run_with_its_name_and_its_log(real: RealLoop, model: str) -> None:
    head = real.head()
    issue = real.open(model_name=model, algorithm="random_forest")
    victims = {kill(real, "train")}
    victims.add(kill(real, "train", but=victims))
    comment = failed(real, issue, "train", head)
    assert len(victims) == 2, "it was tried again"
    assert "exit code 137" in comment
    jobs = [job["name"].rpartition(" / ")[2] for job in real.jobs(real.run(issue))]
    assert jobs == ["prepare", "train", "train"]


def kill(loop: RealLoop, stage: str, but: frozenset[int] | set[int] = frozenset()) -> int:
    """Kill a stage's process, as the kernel does when memory is short; return its number."""

    def one() -> int | None:
        for process in processes.belonging({"GITHUB_JOB": stage}):
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
                folder = Path(f"/proc/{process}/cwd").readlink()
                ours = folder.is_relative_to(loop.workspace.folder)
                if ours and process not in but and [b"runners.job", stage.encode()] == command[-3:-1]:
                    return process
        return None

    process: int = loop.until(one, f"{stage} runs")
    time.sleep(0.5)
    os.kill(process, signal.SIGKILL)
    return process


@slow
def test_a_stage_that_cannot_write_ends_the_run_with_its_name_and_its_log(real: RealLoop, model: str) -> None:
    head = real.head()
    issue = real.open(model_name=model)
    run = real.until(lambda: real.run(issue), "the run has a number")
    in_the_way = real.storage / "models" / run
    in_the_way.parent.mkdir(exist_ok=True, parents=True)
    in_the_way.write_text("a file where a folder should be", encoding="utf-8")
    comment = failed(real, issue, "train", head)
    assert "Traceback" in comment
    assert f"NotADirectoryError: [Errno 20] Not a directory: '{in_the_way}" in comment
    assert in_the_way.read_text(encoding="utf-8") == "a file where a folder should be"
