"""The whole loop as a person sees it, in a browser: fill in the form, follow the run, decide, look at the plots."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from bot.runs.machines.training import State
from tests.support.browser import browser_page, keep_screenshot
from tests.support.loop import Loop
from tests.support.real_loop import PATIENCE, RealLoop

pytestmark = pytest.mark.browser
WHOLE_RUN = PATIENCE * 1_000
"""Milliseconds."""


def open_issue(page: Page, loop: RealLoop, model: str, **fields: str) -> None:
    """Find the form and fill it in, as somebody who sees it for the first time."""
    page.goto(f"{loop.address}/issues")
    page.get_by_role("link", name="New issue").click()
    page.get_by_role("link", name="Get started: Train a classifier").click()
    page.get_by_label("Title").fill(f"Train: {model}")
    page.get_by_label("Model name").fill(model)
    page.get_by_label("Algorithm").select_option(fields.get("algorithm", "xgboost"))
    page.get_by_label("Data").fill("sklearn://breast_cancer")
    page.get_by_label("Target column").fill("target")
    page.get_by_label("Metric").select_option("accuracy")
    page.get_by_label("Threshold").fill(fields.get("threshold", "0.93"))
    expect(page.get_by_label("Max retries")).to_have_value("2")
    keep_screenshot(page, f"{model}-form")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name=f"Train: {model}")).to_be_visible()


def comment(page: Page, number: int = 0) -> Locator:
    """Return one of the App's comments; the first follows the run."""
    return page.get_by_role("article", name="Comment by modelyard").nth(number)


def say(page: Page, text: str, by: str = "owner") -> None:
    page.get_by_label("Add a comment").fill(text)
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.get_by_role("article", name=f"Comment by {by}").last).to_contain_text(text)


def act_as(page: Page, login: str) -> None:
    page.get_by_role("group", name="Act as").get_by_role("button", name=login, exact=True).click()


def every_picture_shows(within: Locator, number: int) -> None:
    pictures = within.locator("img")
    expect(pictures).to_have_count(number)
    for picture in pictures.all():
        picture.evaluate("image => image.scrollIntoView()")  # It is loaded when it comes into view.
        expect(picture).to_be_visible()
        expect(picture).to_have_js_property("complete", value=True)
        assert picture.evaluate("image => image.naturalWidth") > 100


def back_to_the_comment(page: Page) -> None:
    """Go back to the issue; each plot that arrives moves the links below it, and a click in that moment misses."""
    page.go_back()
    every_picture_shows(comment(page), 6)


def test_a_person_opens_an_issue_and_gets_a_model(real: RealLoop) -> None:
    with browser_page() as page:
        open_issue(page, real, "in-a-browser")
        expect(comment(page)).to_contain_text("⏳", timeout=WHOLE_RUN)
        expect(comment(page)).to_contain_text("🔵 running", timeout=WHOLE_RUN)
        keep_screenshot(page, "in-a-browser-running")
        expect(page.locator("#side")).to_contain_text("mlops:running")
        expect(page.locator("#state")).to_have_text("Closed", timeout=WHOLE_RUN)
        expect(page.locator("#side")).to_contain_text("mlops:passed")
        expect(comment(page)).to_contain_text("✅ Passed: in-a-browser version 1 is the new champion")
        expect(comment(page, 1)).to_contain_text("✅ Passed")
        expect(comment(page)).to_contain_text("Verdict for attempt 1 of 3: passed.")
        every_picture_shows(comment(page), 6)
        keep_screenshot(page, "in-a-browser-passed")

        comment(page).get_by_role("link", name="workflow run").click()
        expect(page.locator("#run-state")).to_have_text("Success")
        train = page.get_by_role("region", name="train / train")
        expect(train).to_contain_text("train: fitting xgboost on 399 rows")
        train.get_by_text("Set up Python", exact=True).click()
        expect(train.get_by_text("modelyard: Python 3.")).to_be_visible()
        train.get_by_text("Train", exact=True).click()
        keep_screenshot(page, "in-a-browser-workflow-run")
        back_to_the_comment(page)

        comment(page).get_by_role("link", name="history", exact=True).click()
        expect(page.get_by_role("heading", name="in-a-browser passed")).to_be_visible()
        every_picture_shows(page.get_by_role("article"), 6)
        keep_screenshot(page, "in-a-browser-history")
        back_to_the_comment(page)
        comment(page).get_by_role("link", name="registry", exact=True).click()
        expect(page.get_by_text("champion: 1")).to_be_visible()
        keep_screenshot(page, "in-a-browser-registry")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_person_follows_a_rejected_run_lets_it_be_trained_again_and_gives_up(real: RealLoop) -> None:
    with browser_page() as page:
        open_issue(page, real, "never-good", threshold="1", algorithm="logistic_regression")
        comment(page).get_by_role("link", name="workflow run").click(timeout=WHOLE_RUN)
        expect(page.locator("#run-state")).to_have_text("In progress", timeout=WHOLE_RUN)
        prepare = page.get_by_role("region", name="train / prepare")
        expect(prepare).to_contain_text("modelyard: Python 3.", timeout=WHOLE_RUN)
        expect(page.get_by_role("region", name="train / train")).to_contain_text("fitting", timeout=WHOLE_RUN)
        keep_screenshot(page, "never-good-workflow-run")
        expect(page.locator("#run-state")).to_have_text("Success", timeout=WHOLE_RUN)
        expect(page.locator("#jobs .job")).to_have_count(5)
        page.go_back()

        question = comment(page, 1)
        expect(question).to_contain_text("Train it again?", timeout=WHOLE_RUN)
        expect(question).to_contain_text("/approve trains the model again with a new seed on the same data split.")
        expect(page.locator("#side")).to_contain_text("mlops:waiting", timeout=WHOLE_RUN)
        keep_screenshot(page, "never-good-question")
        say(page, "/approve")
        expect(comment(page)).to_contain_text("attempt 2 of 3", timeout=WHOLE_RUN)
        expect(page.locator("#side")).to_contain_text("mlops:running", timeout=WHOLE_RUN)
        expect(comment(page, 2)).to_contain_text("Verdict for attempt 2 of 3: rejected.", timeout=WHOLE_RUN)
        expect(page.locator("#side")).to_contain_text("mlops:waiting", timeout=WHOLE_RUN)
        say(page, "/reject good enough is not good enough")
        expect(page.locator("#state")).to_have_text("Closed as not planned", timeout=WHOLE_RUN)
        expect(page.locator("#side")).to_contain_text("mlops:failed")
        expect(comment(page)).to_contain_text("owner decided against a retry: good enough is not good enough")
        expect(comment(page)).to_contain_text("Earlier attempts: attempt 1: accuracy")
        every_picture_shows(comment(page), 5)
        keep_screenshot(page, "never-good-rejected")


@pytest.mark.slow
def test_a_person_sees_what_is_wrong_and_fixes_it(real: RealLoop) -> None:
    with browser_page() as page:
        open_issue(page, real, "put-right", threshold="93")
        expect(comment(page)).to_contain_text("For accuracy, the threshold must be between 0 and 1.", timeout=WHOLE_RUN)
        expect(page.locator("#side")).to_contain_text("mlops:invalid")
        keep_screenshot(page, "put-right-invalid")
        page.get_by_role("link", name="Edit the issue").click()
        body = page.get_by_role("textbox").last
        body.fill(body.input_value().replace("\n93\n", "\n0.93\n"))
        keep_screenshot(page, "put-right-edited")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#state")).to_have_text("Closed", timeout=WHOLE_RUN)
        expect(page.locator("#side")).to_contain_text("mlops:passed")
        expect(page.locator("#side")).not_to_contain_text("mlops:invalid")
        expect(comment(page)).to_contain_text("The problem reported here is fixed.")
        keep_screenshot(page, "put-right-passed")
        page.goto(f"{real.address}/issues?q=is:all")
        keep_screenshot(page, "put-right-issues")
        page.goto(f"{real.address}/tree/main/training_history")
        keep_screenshot(page, "put-right-files")
        page.goto(f"{real.address}/actions")
        keep_screenshot(page, "put-right-actions")


@pytest.mark.slow
def test_a_rejected_model_is_approved_by_who_may_and_the_next_one_promoted(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5, 0.97]
    issue = loop.open(model_name=model)
    loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
    with browser_page(expected=["404 (Not Found)"]) as page:  # scripted jobs draw no plots
        page.goto(f"{loop.hub.base_url}/{loop.name}/issues/{issue}")
        act_as(page, "reader")
        say(page, "/approve", by="reader")
        expect(page.get_by_role("article", name="Comment by modelyard").last).to_contain_text("you have read")
        keep_screenshot(page, "approval-refused")
        act_as(page, "owner")
        say(page, "/approve n_estimators=500 more trees may help")
        expect(page.locator("#state")).to_have_text("Closed")
        expect(comment(page)).to_contain_text("version 1 is registered as a candidate")
        expect(comment(page)).to_contain_text("attempt 2 of 3")
        say(page, "/promote better than what we have")
        champion = page.get_by_role("article", name="Comment by modelyard").last
        expect(champion).to_contain_text(f"🏆 {model} version 1 is the champion")
        expect(champion).to_contain_text("owner promoted it")
        expect(page.get_by_role("article", name="Comment by owner").last).to_contain_text("👀")
        keep_screenshot(page, "approval-promoted")
