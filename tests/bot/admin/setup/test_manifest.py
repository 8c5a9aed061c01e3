"""The one table of what the App needs on GitHub, and everything that is made from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from actions.github_integration.app_needs import EVENTS, PERMISSIONS
from bot.admin.setup.manifest import Hub, permissions_page
from bot.cli import main
from bot.events.handlers import router
from bot.webhooks.delivery import WAKE_EVENTS
from bot.webhooks.synthetic import SCHEDULE_EVENT
from runners.local.hub.services.webhooks import ALWAYS

ROOT = Path(__file__).parents[4]


def test_the_permissions_page_is_generated_from_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert (ROOT / "docs/permissions.md").read_text(encoding="utf-8") == permissions_page()
    assert main(["docs", "permissions"]) == 0
    assert capsys.readouterr().out == permissions_page()


def test_the_table_lists_the_events_that_the_app_handles() -> None:
    assert {each.name for each in EVENTS} == (router.events - {SCHEDULE_EVENT}) | WAKE_EVENTS
    assert {each.name for each in EVENTS if each.always} == ALWAYS - {"ping"}


def test_every_permission_has_a_reason_and_files_that_need_it() -> None:
    for each in PERMISSIONS:
        assert each.why.endswith(".")
        assert each.used_in
        assert all((ROOT / path).is_file() for path in each.used_in)
    assert len({each.name for each in PERMISSIONS}) == len(PERMISSIONS)


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://octo.ghe.com", "https://api.octo.ghe.com"),
        ("https://ghes.example.org", "https://ghes.example.org/api/v3"),
        ("https://ghes.example.org:8443", "https://ghes.example.org:8443/api/v3"),
        ("http://127.0.0.1:4000", "http://127.0.0.1:4000/api/v3"),
    ],
)
def test_each_kind_of_github_has_its_api_url(url: str, api: str) -> None:
    assert Hub(url).api_url == api


def test_the_manifest_goes_to_the_account_or_to_the_organisation() -> None:
    hub = Hub("https://ghes.example.org")
    assert hub.register_url("", "a b") == "https://ghes.example.org/settings/apps/new?state=a%20b"
    assert (
        hub.register_url("our-org", "s") == "https://ghes.example.org/organizations/our-org/settings/apps/new?state=s"
    )
    assert hub.holds("https://ghes.example.org/github-apps/modelyard")
    assert not hub.holds("https://elsewhere.example.org/apps/modelyard")
