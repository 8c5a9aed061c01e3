"""The hub registers Apps from manifests, as GitHub does: a page, a button, a code that is good once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from runners.local.hub.services.app_registration import Registrations, slug_of
from tests.support.local_hub import RunningHub, running_hub

MANIFEST = {
    "name": "Our App",
    "url": "https://app.example.org",
    "hook_attributes": {"url": "https://app.example.org/webhook"},
    "redirect_url": "https://app.example.org/back?from=hub",
    "default_permissions": {"issues": "write"},
    "default_events": ["issues"],
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(tmp_path_factory.mktemp("hub"), webhooks_enabled=False) as served:
        yield served


@pytest.fixture
def browser(hub: RunningHub) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hub.url, timeout=20) as client:
        yield client


def bring(browser: httpx.Client, path: str = "/settings/apps/new?state=a%26b", **changes: Any) -> httpx.Response:
    return browser.post(path, data={"manifest": json.dumps({**MANIFEST, **changes})}, headers={"origin": "null"})


def agree(browser: httpx.Client, brought: httpx.Response) -> httpx.Response:
    page = browser.get(brought.headers["location"])
    token = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert token is not None
    return browser.post(brought.headers["location"], data={"token": token[1]})


def test_a_code_is_exchanged_once_for_what_github_would_tell(hub: RunningHub, browser: httpx.Client) -> None:
    back = agree(browser, bring(browser, name="Once"))
    assert back.status_code == 303
    answer = parse_qs(urlsplit(back.headers["location"]).query)
    assert (answer["from"], answer["state"]) == (["hub"], ["a&b"])
    path = f"/app-manifests/{answer['code'][0]}/conversions"
    made = hub.client().post(path)  # held against GitHub's description
    assert made.status_code == 201
    told = made.json()
    assert (told["slug"], told["name"], told["permissions"]) == (
        "once",
        "Once",
        {"issues": "write", "metadata": "read"},
    )
    assert told["pem"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert len(told["webhook_secret"]) >= 32
    assert hub.client().post(path).status_code == 404


def test_nothing_is_registered_before_a_person_agrees(hub: RunningHub, browser: httpx.Client) -> None:
    brought = bring(browser, name="Not yet")
    assert hub.hub.apps.first(slug="not-yet") is None
    refused = browser.post(
        brought.headers["location"], data={"x": "1"}, headers={"origin": "https://elsewhere.example.org"}
    )
    assert refused.status_code == 403
    assert hub.hub.apps.first(slug="not-yet") is None


def test_the_form_of_the_page_may_lead_back_to_the_app_alone(browser: httpx.Client) -> None:
    page = browser.get(bring(browser).headers["location"])
    assert "form-action 'self' https://app.example.org;" in page.headers["content-security-policy"]


def test_a_request_is_answered_once_and_a_name_is_taken_once(browser: httpx.Client) -> None:
    first, second = bring(browser, name="Taken"), bring(browser, name="Taken")
    assert agree(browser, first).status_code == 303
    assert browser.get(first.headers["location"]).status_code == 404
    assert agree(browser, second).status_code == 422


def test_account_owners_may_register_an_app(hub: RunningHub, browser: httpx.Client) -> None:
    agree(browser, bring(browser, "/organizations/owner/settings/apps/new", name="Of owner"))
    app = hub.hub.apps.first(slug="of-owner")
    assert app is not None
    assert hub.hub.users.need(app.owner_id).login == "owner"
    assert bring(browser, "/organizations/reader/settings/apps/new").status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 35},
        {"redirect_url": "javascript:alert(1)"},
        {"redirect_url": None},
        {"url": "nowhere"},
        {"hook_attributes": []},
        {"default_permissions": {"issues": "everything"}},
        {"default_events": "issues"},
    ],
)
def test_a_manifest_that_github_would_not_take_is_refused(browser: httpx.Client, changes: dict[str, Any]) -> None:
    refused = bring(browser, **changes)
    assert refused.status_code == 422
    assert "the manifest cannot be used" in refused.text


@pytest.mark.parametrize("text", ["", "[", "[]", "7", "[" * 100_000])
def test_what_is_no_manifest_is_refused(browser: httpx.Client, text: str) -> None:
    assert browser.post("/settings/apps/new", data={"manifest": text}).status_code == 422


def test_codes_and_requests_are_good_for_an_hour_and_few_are_kept(hub: RunningHub) -> None:
    seconds = [0.0]
    kept: Any = Registrations(hub.hub, lambda: seconds[0]).pending
    names = [kept.add(number) for number in range(150)]
    assert [kept.get(names[0]), kept.get(names[-1])] == [None, 149]
    seconds[0] = 3_601
    assert kept.get(names[-1]) is None


@pytest.mark.parametrize(("name", "slug"), [("Our App", "our-app"), ("--A--", "a"), ("a_b.c", "a-b-c")])
def test_slugs_are_as_githubs(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_an_installation_is_changed_on_its_page_by_those_who_speak_for_the_account(
    hub: RunningHub, browser: httpx.Client, tmp_path: Path
) -> None:
    agree(browser, bring(browser, name="Settings"))
    app = hub.hub.apps.first(slug="settings")
    assert app is not None

    def send(path: str, **fields: str) -> httpx.Response:
        token = re.search(r'name="token" value="([0-9a-f]+)"', browser.get("/").text)
        assert token is not None
        return browser.post(path, data={"token": token[1], **fields})

    repository = hub.ready.repository
    assert send("/apps/settings/installations/new").status_code == 422
    page = send("/apps/settings/installations/new", repository=str(repository.id)).headers["location"]
    found = hub.hub.installations.first(app_id=app.id)
    assert found is not None
    assert page == f"/settings/installations/{found.id}"
    for does, path in (("suspend", "suspended_at"), ("unsuspend", "suspended_at")):
        send(page, do=does)
        assert (getattr(hub.hub.installations.need(found.id), path) is not None) == (does == "suspend")
    send("/-/person", login="reader", back="/")
    assert browser.get(page).status_code == 404
    assert send(page, do="remove").status_code == 404
    send("/-/person", login="owner", back="/")
    send(page, take_away=str(repository.id))
    assert hub.hub.installations.need(found.id).repository_ids == []
    send(page, do="remove")
    assert hub.hub.installations.get(found.id) is None
