"""The runs' pages over HTTP: the list, a run with its jobs, steps, logs and summaries, cancelling."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.local.hub.actions.records import WorkflowRun
from runners.local.hub.pages.runs import divide, read_line
from runners.local.hub.records import now
from tests.support.hub_pages import HOME, PREPARE, Pages, add_run, report_on, serve_pages, tags


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    with serve_pages(tmp_path) as served:
        served.write_files({"README.md": "x"})
        yield served


def show(pages: Pages, run: WorkflowRun) -> str:
    answer = pages.user.get(f"{HOME}/actions/runs/{run.id}")
    assert answer.status_code == 200
    return answer.text


def test_the_list_shows_each_run_with_its_state(pages: Pages) -> None:
    assert "no workflow runs yet" in pages.user.get(f"{HOME}/actions").text
    add_run(pages, status="completed", conclusion="failure", title="<b>odd</b>")
    add_run(pages, title="train-20261122-002 attempt 1")
    text = pages.user.get(f"{HOME}/actions").text
    assert "&lt;b&gt;odd&lt;/b&gt;" in text
    assert 'aria-label="failure"' in text
    assert 'aria-label="queued"' in text


def test_a_queued_run_says_what_it_waits_for(pages: Pages) -> None:
    assert "No runner has all of the labels gpu." in show(pages, add_run(pages))


def test_a_running_job_shows_its_steps_their_logs_and_its_summary(pages: Pages) -> None:
    run = add_run(pages, status="in_progress", started_at=now())
    report = report_on(pages, run)
    report.job_started(PREPARE)
    report.step_started(PREPARE, "Set up job")
    report.line(PREPARE, "Runner laptop")
    report.step_ended(PREPARE, "Set up job", "success")
    report.step_started(PREPARE, "Load <data>")
    report.line(PREPARE, "\x1b[31m569 rows\x1b[0m <script>alert(1)</script>")
    report.summary(PREPARE, "| rows |\n|---|\n| 569 |\n\n<script>alert(1)</script>")
    text = show(pages, run)
    assert '<body data-every="1000">' in text
    assert "Load &lt;data&gt;" in text
    assert "<li>569 rows &lt;script&gt;alert(1)&lt;/script&gt;</li>" in text
    assert "<td>569</td>" in text
    assert [attributes["src"] for tag, attributes in tags(text) if tag == "script"] == ["/static/live.js"]
    opened = [a["id"] for tag, a in tags(text) if tag == "details" and "open" in a]
    assert [str(name).rsplit("-", 1)[1] for name in opened] == ["2"]
    report.finish("success", None)


def test_a_page_follows_a_run_until_it_has_ended(pages: Pages) -> None:
    run = add_run(pages, status="completed", conclusion="success", started_at=now())
    assert "data-every" not in show(pages, run)


def test_a_failed_step_is_open_and_its_error_marked(pages: Pages) -> None:
    run = add_run(pages, status="in_progress", started_at=now())
    report = report_on(pages, run)
    report.job_started(PREPARE)
    report.step_started(PREPARE, "Load data")
    report.line(PREPARE, "##[error]No column named target")
    report.step_ended(PREPARE, "Load data", "failure")
    report.job_ended(PREPARE, "failure")
    text = show(pages, run)
    assert '<li class="error">No column named target</li>' in text
    assert re.search(r'<details class="step"[^>]* open>', text)


def test_the_whole_log_is_served_as_plain_text(pages: Pages) -> None:
    run = add_run(pages, status="in_progress", started_at=now())
    report = report_on(pages, run)
    report.job_started(PREPARE)
    report.line(PREPARE, "<script>alert(1)</script>")
    (job,) = pages.hub.runs.jobs.find(run_id=run.id)
    answer = pages.user.get(f"{HOME}/actions/runs/{run.id}/job/{job.id}/log")
    assert "<script>" in answer.text
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    report.finish("cancelled", None)
    moved = pages.user.get(f"{HOME}/actions/runs/{run.id}/job/{job.id}")
    assert moved.headers["Location"] == f"{HOME}/actions/runs/{run.id}#job-{job.id}"


def test_a_writer_cancels_a_run_and_a_reader_does_not(pages: Pages) -> None:
    run = add_run(pages)
    pages.user.act_as("reader")
    assert "Cancel workflow" not in show(pages, run)
    assert pages.user.post(f"{HOME}/actions/runs/{run.id}/cancel", {}).status_code == 403
    assert pages.hub.runs.runs.need(run.id).status == "queued"
    pages.user.act_as("writer")
    assert "Cancel workflow" in show(pages, run)
    assert pages.user.post(f"{HOME}/actions/runs/{run.id}/cancel", {}).status_code == 303
    assert pages.hub.runs.runs.need(run.id).conclusion == "cancelled"
    assert "Cancel workflow" not in show(pages, run)
    assert pages.user.post(f"{HOME}/actions/runs/{run.id}/cancel", {}).status_code == 409


def test_why_a_run_could_not_start_is_shown(pages: Pages) -> None:
    run = add_run(pages, status="completed", conclusion="startup_failure", problem="No job named <x>")
    assert "No job named &lt;x&gt;" in show(pages, run)


def test_runs_of_other_repositories_are_404(pages: Pages) -> None:
    other = pages.hub.create_repository("owner/other")
    run = add_run(pages, repository_id=other.id)
    for path in (f"{run.id}", f"{run.id}/job/1", f"{run.id}/job/1/log", "1", "x", "9" * 30):
        assert pages.user.get(f"{HOME}/actions/runs/{path}").status_code == 404


def test_each_step_gets_its_part_of_the_log() -> None:
    def step(number: int, first_line: int) -> dict[str, Any]:
        times = {"started_at": None, "completed_at": None}
        state = {"status": "completed", "conclusion": "success"}
        return {"number": number, "name": str(number), "first_line": first_line, **times, **state}

    lines = [f"line {number}" for number in range(1_000)]
    first, second, third = divide([step(1, 2), step(2, 10), step(3, 1_000)], lines)
    assert [line.text for line in first.lines] == lines[:10]
    assert (second.before, second.lines[-1].text) == (590, "line 999")
    assert third.lines == []
    assert divide([], lines) == []


@pytest.mark.parametrize(
    ("written", "shown", "kind"),
    [
        ("2026-11-22T09:00:00.1234567Z text", "text", ""),
        ("2026-11-22T09:00:00.1234567Z ##[warning]careful", "careful", "warning"),
        ("##[group]Run train", "Run train", "group"),
        ("::error file=x.py,line=3::broken", "broken", "error"),
        ("\x1b[1;32mgreen\x1b[0m", "green", ""),
        ("x" * 100_000, "x" * 2_000 + " …", ""),
    ],
)
def test_a_lines_time_and_colours_are_left_out(written: str, shown: str, kind: str) -> None:
    line = read_line(written)
    assert (line.text, line.kind) == (shown, kind)
