"""What can be seen of a run from outside: its log lines, its metrics, the dashboard in a browser."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from bot.observability.log_format import JsonLines
from bot.runs.machines.training import State
from tests.support.browser import browser_page, keep_screenshot
from tests.support.loop import Loop


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Keep what is logged beside whatever else listens."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("bot")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def address(loop: Loop, path: str) -> str:
    return urljoin(loop.ready.app.webhook_url, path)


def test_the_steps_of_a_run_are_logged_with_its_ids_its_job_and_how_long_they_took(
    loop: Loop, model: str, log: io.StringIO
) -> None:
    issue = loop.open(model_name=model)
    run = loop.until_ended(issue)
    loop.until(lambda: "NotifySuccess, ok" in log.getvalue(), "its last step is logged")

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    steps = [line for line in lines if line["message"].startswith(f"run {run.id}: ") and line["status"]]
    assert {line["execution_id"] for line in steps} == {run.id}
    assert {line["issue_number"] for line in steps} == {issue}
    assert all(isinstance(line["duration_ms"], int) for line in steps)
    assert [line["training_job_name"] for line in steps if "TrainModel" in line["message"]][-1] == run.dispatches[
        0
    ].title
    (opened,) = [
        line for line in lines if line["message"].endswith("(issues) handled") and line["execution_id"] == run.id
    ][:1]
    assert (opened["issue_number"], opened["status"]) == (issue, "done")


def test_rate_limits_and_step_durations_are_measured(loop: Loop, model: str) -> None:
    loop.until_ended(loop.open(model_name=model))

    text = httpx.get(address(loop, "/metrics"), timeout=20).text

    assert 'modelyard_step_duration_seconds_count{state="TrainModel"}' in text
    assert f'modelyard_github_rate_limit_remaining_requests{{installation="{loop.ready.installation_id}"' in text
    assert 'modelyard_webhook_events_total{event="issues"}' in text


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [pytest.param(380, True, marks=pytest.mark.slow), (1_280, False)])
def test_the_dashboard_leads_from_a_run_to_its_issue(
    loop: Loop, model: str, width: int, dark: bool, tmp_path: Path
) -> None:
    loop.values[:] = [0.1]
    issue = loop.open(model_name=model)
    loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)

    with browser_page(width=width, dark=dark, scripts=False) as page:
        page.goto(address(loop, "/"))
        keep_screenshot(page, f"dashboard-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        entry = page.get_by_role("listitem").filter(has_text=model)
        assert State.WAIT_FOR_OPERATOR_INPUT in entry.inner_text()
        link = entry.get_by_role("link", name=f"{loop.name} #{issue}").get_attribute("href")

    assert link == f"{loop.hub.base_url}/{loop.name}/issues/{issue}"
