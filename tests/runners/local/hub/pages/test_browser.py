"""The pages as a person sees them: filled in, clicked, watched while they change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from runners.local.hub.app import serve
from runners.local.hub.records import Comment, now
from runners.local.hub.services import issues
from tests.support.browser import browser_page
from tests.support.hub_pages import HOME, PREPARE, TRAIN, Pages, add_run, open_issue, report_on
from tests.support.serving import serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    served = Pages(tmp_path)
    served.write_files({".github/ISSUE_TEMPLATE/train.yml": TRAIN, "README.md": "# Demo"})
    yield served
    served.hub.close()


@pytest.fixture
def address(pages: Pages) -> Iterator[str]:
    with serving(serve(pages.hub)) as found:
        yield found + HOME


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_person_chooses_a_form_fills_it_in_and_sees_the_issue(pages: Pages, address: str, scripts: bool) -> None:
    with browser_page(scripts=scripts) as page:
        page.goto(f"{address}/issues")
        page.get_by_role("button", name="reader").click()
        page.get_by_role("link", name="New issue").click()
        page.get_by_role("link", name="Get started: Train a model").click()
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_label("Model name")).to_be_focused()  # The browser itself asks for what is missing.
        page.get_by_label("Title").fill("Train: wine")
        page.get_by_label("Model name").fill("wine")
        page.get_by_label("Algorithm").select_option("xgboost")
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_role("heading", name="Train: wine")).to_be_visible()
    (issue,) = pages.hub.issues.find()
    assert issue.body is not None
    assert issue.body.startswith("### Model name\n\nwine\n\n### Algorithm\n\nxgboost")
    assert pages.hub.users.need(issue.user_id).login == "reader"


def test_an_open_issue_follows_the_bots_comment_and_keeps_what_one_is_writing(pages: Pages, address: str) -> None:
    app, _ = pages.hub.register_app(
        "modelyard", owner="owner", webhook_url="http://127.0.0.1:9", webhook_secret="s", permissions={}, events=[]
    )
    issue = open_issue(pages)
    folded = "\n\n<details><summary>Plan</summary>\n\nfive stages\n\n</details>"
    comment = pages.hub.comments.add(
        Comment(repository_id=pages.repository.id, issue_id=issue.id, user_id=app.bot_id, body="Queued" + folded)
    )
    with browser_page() as page:
        page.goto(f"{address}/issues/1")
        page.get_by_text("Plan", exact=True).click()
        page.get_by_label("Add a comment").fill("half a thou")
        pages.hub.comments.update(comment.id, body="Running" + folded, updated_at=now())
        expect(page.get_by_text("Running")).to_be_visible()
        issues.add_labels(pages.hub, pages.hub.person("owner"), issue, ["mlops:passed"])
        issues.close_issue(pages.hub, pages.hub.person("owner"), issue)
        expect(page.locator("#state")).to_have_text("Closed")
        expect(page.get_by_text("mlops:passed").first).to_be_visible()
        expect(page.get_by_role("button", name="Reopen issue")).to_be_visible()
        expect(page.get_by_text("five stages")).to_be_visible()
        expect(page.get_by_label("Add a comment")).to_have_value("half a thou")
        page.get_by_label("Add a comment").press("End")
        page.keyboard.type("ght")
        page.get_by_role("button", name="Comment", exact=True).click()
        expect(page.get_by_text("half a thought")).to_be_visible()


def test_a_running_job_is_followed_to_its_end(pages: Pages, address: str) -> None:
    run = add_run(pages, status="completed", conclusion="success")  # So that the hub, starting, leaves it alone.
    pages.hub.runs.runs.update(run.id, status="in_progress", conclusion=None, started_at=now())
    report = report_on(pages, run)
    report.job_started(PREPARE)
    report.step_started(PREPARE, "Load data")
    with browser_page() as page:
        page.goto(f"{address}/actions/runs/{run.id}")
        for number in range(60):
            report.line(PREPARE, f"chunk {number}")
        expect(page.get_by_text("chunk 59")).to_be_in_viewport()
        for number in range(60, 90):
            report.line(PREPARE, f"chunk {number}")
        expect(page.get_by_text("chunk 89")).to_be_in_viewport()
        report.summary(PREPARE, "**569** rows")
        report.finish("success", None)
        pages.hub.runs.runs.update(run.id, status="completed", conclusion="success")
        expect(page.locator("#run-state")).to_have_text("Success")
        expect(page.get_by_text("569 rows")).to_be_visible()
        expect(page.get_by_role("button", name="Cancel workflow")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_a_phone(pages: Pages, address: str, dark: bool) -> None:
    wide = "| " + " | ".join(f"metric {number}" for number in range(20)) + " |\n" + "|---" * 20 + "|\n\n" + "x" * 200
    open_issue(pages, title="A title with a very_long_word_" + "x" * 60, body=wide)
    with browser_page(width=360, height=740, dark=dark) as page:
        for path in ("/issues", "/issues/1", "/issues/new?template=train.yml", "", "/blob/main/README.md", "/actions"):
            page.goto(address + path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_page_says_when_the_hub_is_gone(pages: Pages) -> None:
    open_issue(pages)
    with browser_page(expected=["ERR_CONNECTION_REFUSED"]) as page:
        with serving(serve(pages.hub)) as address:
            page.goto(f"{address}{HOME}/issues/1")
            expect(page.get_by_text("The hub does not answer")).to_have_count(0)
        expect(page.get_by_text("The hub does not answer")).to_be_visible()
