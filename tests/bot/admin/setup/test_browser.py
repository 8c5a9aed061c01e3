"""`/setup` as a person sees it, in headless Chromium: from the address in the terminal to the labels in the repository."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import browser_page, keep_screenshot
from tests.support.local_hub import RunningHub, running_hub
from tests.support.setting_up import configure, setting_up

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [
        name for name in os.environ if name.startswith(("MODELYARD_APP", "MODELYARD_ENV_FILE", "MLOPS_", "AWS_"))
    ]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    with running_hub(tmp_path / "hub", webhooks_enabled=False) as served:
        served.hub.create_repository("owner/second")
        yield served


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_a_person_registers_installs_and_checks_the_app(hub: RunningHub) -> None:
    with setting_up(hub, enters=False) as (nobody, setup), browser_page() as page:
        page.goto(f"{nobody.address}/setup?token={setup.session.token}")
        expect(page).to_have_url(f"{nobody.address}/setup")
        expect(page.get_by_label("GitHub", exact=True)).to_have_value(hub.url)
        page.get_by_label("Name", exact=True).fill("Our Modelyard")
        keep_screenshot(page, "setup-1-choose")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("Shows the verdict as a check run")).to_be_visible()
        keep_screenshot(page, "setup-2-register")
        page.get_by_role("button", name="Register Our Modelyard").click()

        expect(page.get_by_role("heading", name="Create GitHub App for owner")).to_be_visible()
        keep_screenshot(page, "setup-3-hub")
        page.get_by_role("button", name="Create GitHub App for owner").click()

        expect(page).to_have_url(f"{nobody.address}/setup/done")
        expect(page.get_by_text("our-modelyard: its id, key and webhook secret are stored in")).to_be_visible()
        keep_screenshot(page, "setup-4-done")
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Install our-modelyard").click()
        install = opened.value
        install.get_by_label("owner/demo").check()
        install.get_by_label("owner/second").check()
        keep_screenshot(install, "setup-5-install")
        install.get_by_role("button", name="Install").click()
        expect(install.get_by_role("link", name="owner/second")).to_be_visible()
        keep_screenshot(install, "setup-6-installation")

        configure(hub)
        configure(hub, "owner/second")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_text("granted")).to_be_visible()
        expect(page.locator(".state.error")).to_have_count(0)
        keep_screenshot(page, "setup-7-check")
    for name in ("owner/demo", "owner/second"):
        repository = hub.hub.repository(name)
        assert repository is not None
        assert hub.hub.labels.first(repository_id=repository.id, key="mlops:train") is not None


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_fits_a_phone(hub: RunningHub, dark: bool) -> None:
    expected = ["403 (Forbidden)", "422 (Unprocessable", "400 (Bad Request)"]
    with (
        setting_up(hub, enters=False) as (nobody, setup),
        browser_page(width=360, height=740, dark=dark, scripts=False, expected=expected) as page,
    ):
        page.goto(f"{nobody.address}/setup")
        expect(page.get_by_role("heading", name="Not authorised")).to_be_visible()
        assert page.locator(".problem").is_visible()
        page.goto(f"{nobody.address}/setup?token={setup.session.token}")
        page.get_by_label("GitHub", exact=True).fill("https://github.com")
        page.get_by_label("URL of this App").fill(nobody.address)
        page.get_by_label("Name", exact=True).fill("")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("modelyard serve --poll")).to_be_visible()
        assert fits(page)
        keep_screenshot(page, f"setup-phone-wrong-{'dark' if dark else 'light'}")
        page.get_by_label("GitHub", exact=True).fill(hub.url)
        page.get_by_label("Name", exact=True).fill("a-name-without-any-place-to-break")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("button", name="Register")).to_be_visible()
        assert fits(page)
        keep_screenshot(page, f"setup-phone-register-{'dark' if dark else 'light'}")
        page.get_by_role("button", name="Register").click()
        expect(page.get_by_role("button", name="Create GitHub App")).to_be_visible()
        assert fits(page)
        page.get_by_role("button", name="Create GitHub App").click()
        expect(page.get_by_text("its id, key and webhook secret are stored in")).to_be_visible()
        assert fits(page)
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_text("not installed anywhere")).to_be_visible()
        assert fits(page)
        keep_screenshot(page, f"setup-phone-check-{'dark' if dark else 'light'}")
