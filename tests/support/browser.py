"""Headless Chromium, for tests that look at pages as a person does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CURE = "Chromium is not installed. On Debian: apt-get update && apt-get install -y chromium"
PATIENCE = 10_000
"""Milliseconds until something that does not show up fails the test."""


@contextmanager
def browser_page(
    *, width: int = 1_200, height: int = 900, dark: bool = False, scripts: bool = True, expected: Sequence[str] = ()
) -> Iterator[Page]:
    """Yield a page of a fresh browser that reaches this machine alone.

    The test fails if the page reports an error of its own (a script's, a refused style, a missing file) that holds none
    of the ``expected`` texts, or asks for anything from elsewhere. Where Chromium is missing it is skipped with the
    cure; with ``CI=true`` it fails. ``MODELYARD_SCREENSHOTS=FOLDER`` keeps a picture of how the page looked at the end.
    """
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail(CURE)
        pytest.skip(CURE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        troubles = _listen(page)
        try:
            yield page
        finally:
            _keep_picture(page)
            browser.close()
    assert [text for text in troubles if not any(known in text for known in expected)] == []


def keep_screenshot(page: Page, name: str) -> None:
    """Keep a picture of the whole page, where pictures are wanted."""
    folder = os.environ.get("MODELYARD_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def _listen(page: Page) -> list[str]:
    troubles: list[str] = []

    def guard(route: Route) -> None:
        if urlsplit(route.request.url).hostname in {"127.0.0.1", "localhost"}:
            route.continue_()
        else:
            troubles.append(f"asked for {route.request.url}")
            route.abort()

    page.route("**/*", guard)
    page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    return troubles


def _keep_picture(page: Page) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "page").partition(" ")[0]
    keep_screenshot(page, test.rpartition("::")[2].replace("/", "-").replace("[", "-").replace("]", ""))
