"""A stage's status from GitHub's jobs, and its line in the comment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from actions.contracts.results import Progress
from bot.github import Runner, Step
from bot.runs.job_status import job_status, observe_job, queued_for, unclaimed
from bot.runs.progress import stage_lines
from bot.runs.run import JobObservation
from tests.support.runs import NOON, a_job

LIMIT = timedelta(minutes=15)


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


@pytest.mark.parametrize(
    ("job", "now", "expected"),
    [
        ({"status": "queued", "started_at": None}, minutes(600), "waiting"),
        ({}, minutes(15), "running"),
        ({}, minutes(16), "overdue"),
        ({"status": "completed", "conclusion": "success"}, minutes(1), "ok"),
        ({"status": "completed", "conclusion": "skipped"}, minutes(1), "stopped"),
        ({"status": "completed", "conclusion": "failure"}, minutes(1), "error"),
        ({"status": "completed", "conclusion": "timed_out"}, minutes(1), "error"),
        ({"status": "completed", "conclusion": "cancelled", "completed_at": minutes(2)}, minutes(3), "stopped"),
        ({"status": "completed", "conclusion": "cancelled", "completed_at": minutes(15)}, minutes(16), "timed out"),
        ({"status": "completed", "conclusion": "cancelled", "started_at": None}, minutes(3), "stopped"),
    ],
)
def test_a_stage_has_the_status_of_its_job(job: dict[str, Any], now: datetime, expected: str) -> None:
    one = a_job(**job)
    assert job_status(one, LIMIT, observe_job(None, one, NOON), now) == expected


def test_a_stage_without_a_job_is_absent() -> None:
    assert job_status(None, LIMIT, None, NOON) == "absent"


def test_a_difference_between_the_clocks_makes_no_stage_overdue() -> None:
    one = a_job(started_at=minutes(-600))
    assert job_status(one, LIMIT, observe_job(None, one, NOON), minutes(15)) == "running"


def test_a_jobs_status_counts_from_when_the_app_first_saw_it() -> None:
    first = observe_job(None, a_job(status="queued"), NOON)
    assert observe_job(first, a_job(status="queued"), minutes(3)) == first
    assert observe_job(first, a_job(), minutes(4)) == JobObservation(job=1, running=True, since=minutes(4))
    assert observe_job(first, a_job(id=2, status="queued"), minutes(5)) == JobObservation(
        job=2, running=False, since=minutes(5)
    )
    assert observe_job(first, a_job(status="completed", conclusion="success"), minutes(6)) is None


def test_the_table_shows_finished_running_and_waiting_stages() -> None:
    jobs = [
        a_job(name="prepare", status="completed", conclusion="success", completed_at=minutes(1)),
        a_job(),
        a_job(name="evaluate", status="queued", started_at=None),
    ]
    progress = Progress(stage="train", step="fitting", done=30, total=120, eta_seconds=90, updated="2026-11-22T12")
    lines = stage_lines(jobs, "prepare", progress, minutes(3))
    assert [(line.name, line.status) for line in lines] == [
        ("prepare", "done"), ("train", "running"), ("evaluate", "waiting"), ("judge", "waiting"), ("publish", "waiting"),
    ]  # fmt: skip
    assert lines[0].seconds == 60
    assert (lines[1].note, lines[1].percent, lines[1].left) == ("fitting", 25, 90)
    assert (lines[1].done, lines[1].total) == (30, 120)


def test_stages_of_an_earlier_dispatch_are_done_and_a_stage_without_a_report_shows_its_step() -> None:
    step = Step(2, "Set up Modelyard", "in_progress", None, NOON, None)
    lines = stage_lines([a_job(steps=(step,))], "train", None, minutes(1))
    assert (lines[0].status, lines[1].status, lines[1].note) == ("done", "running", "Set up Modelyard")


@pytest.mark.parametrize(
    ("runners", "expected"),
    [
        (None, "unknown"),
        ([], "none"),
        ([Runner("a", True, False, ("self-hosted",))], "none"),
        ([Runner("a", False, False, ("self-hosted", "gpu"))], "none"),
        ([Runner("a", True, True, ("self-hosted", "GPU"))], "busy"),
        (
            [Runner("a", True, True, ("self-hosted", "gpu")), Runner("b", True, False, ("self-hosted", "gpu"))],
            "unknown",
        ),
    ],
)
def test_why_no_runner_takes_a_job(runners: list[Runner] | None, expected: str) -> None:
    assert unclaimed(["self-hosted", "gpu"], runners).runners == expected


def test_a_job_waits_until_a_runner_takes_it() -> None:
    assert queued_for(observe_job(None, a_job(status="queued"), NOON), minutes(7)) == timedelta(minutes=7)
    assert queued_for(observe_job(None, a_job(), NOON), minutes(7)) == timedelta(0)
    assert queued_for(None, minutes(7)) == timedelta(0)
