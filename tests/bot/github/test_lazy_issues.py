from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.github.issues import marked
from bot.github.lazy_issues import lazy_issues
from runners.local.hub.hub import Hub
from tests.support.gateway import World
from tests.support.github_openapi import AsyncCheckedTransport


@pytest.fixture
def world(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in [name for name in os.environ if name.startswith("MODELYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELYARD_GITHUB_API_URL", hub.api_url)
    return World.of(hub, tmp_path, AsyncCheckedTransport)


@pytest.fixture
def as_app(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("MODELYARD_APP_ID", str(world.ready.app.id))
    monkeypatch.setenv("MODELYARD_PRIVATE_KEY_PATH", str(world.ready.private_key_path))
    return world


def test_without_credentials_github_is_not_available(world: World) -> None:
    assert lazy_issues() is None


def test_the_app_comments_once_for_each_marker(as_app: World) -> None:
    number, issues = as_app.issue(), lazy_issues()
    assert issues is not None

    first = issues.post_comment(as_app.name, number, "one", "comment:1")
    second = issues.post_comment(as_app.name, number, "two", "comment:1")

    (comment,) = as_app.as_person("owner", "GET", f"issues/{number}/comments").json()
    assert first == second == comment["html_url"]
    assert comment["body"] == marked("comment:1", "two")
    assert comment["user"]["login"] == "modelyard[bot]"


def test_a_token_comments_as_its_owner_and_takes_precedence_over_the_app(
    as_app: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_GITHUB_TOKEN", as_app.ready.tokens["writer"])
    number, issues = as_app.issue(), lazy_issues()
    assert issues is not None

    for body in ("one", "two"):
        issues.post_comment(as_app.name, number, body, "comment:1")

    (comment,) = as_app.as_person("owner", "GET", f"issues/{number}/comments").json()
    assert (comment["user"]["login"], comment["body"]) == ("writer", marked("comment:1", "two"))
