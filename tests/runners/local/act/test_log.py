"""What act's log is read as."""

from __future__ import annotations

import json
from typing import Any

from runners.local.act.log import ActLog, Event, JobEnded, JobStarted, Line, NoRunner, StepEnded, StepStarted, Summary

JOB = {"job": "train/Train/prepare ", "jobID": "prepare", "level": "info"}


def read(log: ActLog, **entry: Any) -> list[Event]:
    return log.read(json.dumps({**JOB, **entry}))


def test_jobs_and_steps_begin_and_end() -> None:
    log = ActLog()
    job = "train/Train/prepare"
    assert read(log, stepid=["--setup-job"], msg="⭐ Run Set up job") == [
        JobStarted(job, "prepare"), StepStarted(job, "--setup-job", "Set up job"),
    ]  # fmt: skip
    assert read(log, stage="Main", stepID=["0"], msg="⭐ Run Main First\nline two") == [
        StepStarted(job, "0", "First"), Line(job, "##[group]Run First"), Line(job, "line two"),
        Line(job, "##[endgroup]"),
    ]  # fmt: skip
    assert read(log, stage="Main", stepID=["0"], stepResult="failure", msg="x") == [StepEnded(job, "0", "failure")]
    assert read(log, stage="Main", stepID=["1"], stepResult="skipped", msg="x") == [StepEnded(job, "1", "skipped")]
    assert read(log, jobResult="failure", msg="🏁  Job failed") == [JobEnded(job, "prepare", "failure")]


def test_what_happens_inside_an_action_is_no_step_of_the_job() -> None:
    log = ActLog()
    inner = read(log, stage="Main", stepID=["0", "1"], msg="⭐ Run Main inner")
    assert [type(event) for event in inner] == [Line, Line]
    assert read(log, stage="Main", stepID=["0", "1"], stepResult="success", msg="x") == []
    assert read(log, stage="Post", stepID=["0"], stepResult="success", msg="x") == []
    assert read(log, stage="Pre", stepID=["0"], msg="⭐ Run Pre actions/checkout") == []


def test_a_job_that_no_label_fits_is_told() -> None:
    assert read(ActLog(), msg="🚧  Skipping unsupported platform -- Try") == [
        NoRunner("train/Train/prepare", "prepare")
    ]


def test_annotations_become_lines() -> None:
    log = ActLog()
    said = [
        event
        for command in ("error", "warning", "notice", "group", "endgroup")
        for event in read(log, stepID=["0"], command=command, arg="text", raw="::x::text")
    ]
    assert [event.text for event in said if isinstance(event, Line)] == [
        "##[error]text", "##[warning]text", "##[notice]text", "##[group]text", "##[endgroup]text",
    ]  # fmt: skip
    assert read(log, stepID=["0"], command="debug", arg="text", raw="::debug::text") == []
    assert read(log, stepID=["0"], command="ignored", raw="::error::text\n") == [
        Line("train/Train/prepare", "::error::text")
    ]


def test_words_that_stop_and_resume_commands_say_nothing() -> None:
    log = ActLog()
    assert read(log, stepID=["0"], command="stop-commands", arg="word", raw="::stop-commands::word\n") == []
    assert read(log, stepID=["0"], command="word", arg="", raw="::word::\n") == []


def test_secrets_are_masked_and_so_is_what_a_step_asks_to_mask() -> None:
    log = ActLog("token-1")
    assert read(log, stepID=["0"], raw_output=True, msg="a token-1 b\n") == [Line("train/Train/prepare", "a *** b")]
    assert read(log, stepID=["0"], command="add-mask", arg="hidden", raw="::add-mask::hidden\n", msg="***") == []
    assert read(log, stepID=["0"], raw_output=True, msg="hidden") == [Line("train/Train/prepare", "***")]
    assert read(log, stepID=["0"], command="summary", content="# hidden") == [Summary("train/Train/prepare", "# ***")]
    assert log.masked("hidden token-1") == "*** ***"


def test_the_summary_that_act_repeats_for_a_composite_action_counts_once() -> None:
    log, job = ActLog(), "train/Train/prepare"
    assert read(log, stepID=["3", "0"], command="summary", content="# One") == [Summary(job, "# One")]
    assert read(log, stepID=["3", "1"], command="summary", content="# Two") == [Summary(job, "# Two")]
    assert read(log, stepID=["3"], command="summary", content="# Two") == []
    assert read(log, stepID=["4"], command="summary", content="# Two") == [Summary(job, "# Two")]


def test_the_field_that_holds_secrets_as_they_are_is_never_read() -> None:
    events = read(ActLog(), stage="Main", stepID=["0"], step="echo hidden", msg="⭐ Run Main echo ***")
    assert "hidden" not in repr(events)


def test_long_lines_are_cut_and_other_output_is_ignored() -> None:
    log = ActLog()
    (line,) = read(log, stepID=["0"], raw_output=True, msg="x" * 300_000)
    assert isinstance(line, Line)
    assert len(line.text) == 100_000
    for text in ("", "Error: no", "[]", "{}", '{"job": 3}', '{"msg": "x"}'):
        assert log.read(text) == []
