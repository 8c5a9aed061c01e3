"""Requests that no client of GitHub's would send: refused like any other, never a failure of the hub's own."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.local_hub import RunningHub

DEMO = "/repos/owner/demo"
LONG = "9" * 20
VERY_LONG = "9" * 5_000


def ask(hub: RunningHub, method: str, path: str, token: str, **more: Any) -> httpx.Response:
    """Ask without holding the request against GitHub's description, which it would not fit."""
    return httpx.request(method, hub.api_url + path, headers={"Authorization": f"Bearer {token}"}, timeout=20, **more)


@pytest.mark.parametrize("number", [LONG, VERY_LONG, "0", "-1", "x", "\u0663"])
def test_an_id_that_nothing_can_have_is_not_found(local_hub: RunningHub, number: str) -> None:
    token = local_hub.installation_token()
    paths = (
        f"{DEMO}/issues/{number}",
        f"{DEMO}/issues/comments/{number}",
        f"{DEMO}/check-runs/{number}",
        f"{DEMO}/actions/runs/{number}",
        f"{DEMO}/actions/jobs/{number}",
        f"{DEMO}/actions/workflows/{number}",
    )
    assert {ask(local_hub, "GET", path, token).status_code for path in paths} == {404}
    of_app = (f"/app/installations/{number}", f"/app/hook/deliveries/{number}")
    assert {ask(local_hub, "GET", path, local_hub.app_jwt()).status_code for path in of_app} == {404}
    log = f"{local_hub.url}/_logs/{number}?until={number}&signature=x"
    assert httpx.get(log, timeout=20).status_code == 404


@pytest.mark.parametrize("number", [LONG, VERY_LONG, "0", "-1", "x", ""])
def test_a_page_that_is_none_is_empty_or_the_first(local_hub: RunningHub, number: str) -> None:
    token = local_hub.ready.tokens["reader"]
    for asked in (f"page={number}", f"per_page={number}"):
        assert ask(local_hub, "GET", f"{DEMO}/labels?{asked}", token).status_code == 200
    for asked in (f"cursor={number}", f"per_page={number}"):
        assert ask(local_hub, "GET", f"/app/hook/deliveries?{asked}", local_hub.app_jwt()).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"permissions": ["x"]},
        {"permissions": "x"},
        {"permissions": {"issues": ["write"]}},
        {"permissions": {"issues": None}},
        {"repository_ids": 5},
        {"repository_ids": ["x"]},
        {"repository_ids": [[1]]},
        {"repositories": 5},
        {"repositories": [5]},
    ],
)
def test_an_installation_token_asked_for_in_the_wrong_shape_is_refused(
    local_hub: RunningHub, body: dict[str, Any]
) -> None:
    path = f"/app/installations/{local_hub.ready.installation_id}/access_tokens"
    assert ask(local_hub, "POST", path, local_hub.app_jwt(), json=body).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{DEMO}/git/trees", {"tree": [{"path": "x", "mode": ["100644"], "content": ""}]}),
        (
            "PUT",
            f"{DEMO}/contents/x",
            {"message": "x", "content": "", "author": {"name": "x", "email": "x", "date": 5}},
        ),
        ("POST", f"{DEMO}/issues", {"title": "x", "labels": 5}),
        ("POST", f"{DEMO}/check-runs", {"name": 5, "head_sha": "x"}),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(
    local_hub: RunningHub, method: str, path: str, body: dict[str, Any]
) -> None:
    assert ask(local_hub, method, path, local_hub.installation_token(), json=body).status_code == 422


def test_json_without_a_bottom_is_refused(local_hub: RunningHub) -> None:
    answer = ask(local_hub, "POST", f"{DEMO}/issues", local_hub.installation_token(), content=b"[" * 200_000)
    assert answer.status_code == 400
