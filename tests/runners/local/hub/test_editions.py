"""The hub as github.com and as a GitHub Enterprise Server: which API versions and keys it refuses."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runners.local.hub.editions import EDITIONS, GHES, GITHUB_COM, NEWEST_VERSION, OLDEST_VERSION, Edition
from runners.local.hub.rest import (
    actions,
    apps,
    checks,
    comments,
    contents,
    git_data,
    issues,
    labels,
    refs,
    repositories,
)
from tests.support.github_openapi import api
from tests.support.local_hub import RunningHub, running_hub

MODULES = (actions, apps, checks, comments, contents, git_data, issues, labels, refs, repositories)
DEMO = "/repos/owner/demo"


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Edition], RunningHub]]:
    with contextlib.ExitStack() as stack:
        running = {
            edition: stack.enter_context(running_hub(tmp_path_factory.mktemp(edition.name), edition=edition))
            for edition in EDITIONS.values()
        }
        yield running.__getitem__


@pytest.mark.parametrize("edition", EDITIONS.values(), ids=EDITIONS)
def test_a_version_that_the_api_does_not_have_is_refused(
    hubs: Callable[[Edition], RunningHub], edition: Edition
) -> None:
    client = hubs(edition).person("reader")
    for version in (OLDEST_VERSION, NEWEST_VERSION, "2022-11-29", "next", ""):
        answer = client.get(DEMO, headers={"X-GitHub-Api-Version": version})
        assert answer.status_code == (200 if version in edition.versions else 400), version
        assert version in edition.versions or OLDEST_VERSION in answer.json()["message"]


@pytest.mark.parametrize("edition", EDITIONS.values(), ids=EDITIONS)
def test_each_route_permits_exactly_the_keys_that_github_describes(edition: Edition) -> None:
    routes = [route for module in MODULES for route in module.routes.declared if route.method != "GET"]
    assert len(routes) > 25
    for version in edition.versions:
        described = api("3.19" if edition is GHES else "", version)
        for route in routes:
            template = re.sub(r":path", "", route.path)
            permitted = {key for key in route.body if not edition.lacks(version, key)}
            assert permitted == described.permitted_keys(route.method, template), (version, route.method, template)


def test_an_unknown_key_is_refused_by_its_name(hubs: Callable[[Edition], RunningHub]) -> None:
    answer = hubs(GITHUB_COM).person("writer").post(f"{DEMO}/issues", json={"title": "x", "labelz": []})
    assert answer.status_code == 422
    assert answer.json()["message"] == 'Invalid request.\n\n"labelz" is not a permitted key.'


def test_a_ghes_names_its_release(hubs: Callable[[Edition], RunningHub]) -> None:
    ghes, com = (hubs(edition).person("reader").get("/meta") for edition in (GHES, GITHUB_COM))
    assert ghes.json()["installed_version"] == "3.19.0"
    assert ghes.headers["x-github-enterprise-version"] == "enterprise-server@3.19.0"
    assert "installed_version" not in com.json()


def test_a_submodule_is_listed_as_one_only_in_the_newest_version(
    hubs: Callable[[Edition], RunningHub], tmp_path: Path
) -> None:
    client = hubs(GITHUB_COM).person("owner")
    sha = "1" * 40
    tree = client.post(
        f"{DEMO}/git/trees", json={"tree": [{"path": "sub", "mode": "160000", "type": "commit", "sha": sha}]}
    ).json()
    commit = client.post(f"{DEMO}/git/commits", json={"message": "sub", "tree": tree["sha"]}).json()
    client.post(f"{DEMO}/git/refs", json={"ref": "refs/heads/main", "sha": commit["sha"]})
    for version, kind in ((OLDEST_VERSION, "file"), (NEWEST_VERSION, "submodule")):
        (listed,) = client.get(f"{DEMO}/contents/", headers={"X-GitHub-Api-Version": version}).json()
        assert listed["type"] == kind
