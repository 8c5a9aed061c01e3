"""Who gets in, and what they may do."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import jwt
import pytest

from runners.local.hub.auth import new_key_pair
from tests.support.local_hub import RunningHub, git

DEMO = "/repos/owner/demo"


def message(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["message"]


# --- the App's JWT ---------------------------------------------------------------------------------------------------


def test_an_app_signs_in_with_a_token_of_its_own_key(local_hub: RunningHub) -> None:
    shown = local_hub.app().get("/app").json()
    assert (shown["slug"], shown["id"]) == ("modelyard", local_hub.ready.app.id)
    assert shown["permissions"]["issues"] == "write"


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": 700}, "'Expiration time' claim ('exp') is too far in the future"),
        ({"exp": -60}, "'Expiration time' claim ('exp') must be"),
        ({"exp": None}, "'Expiration time' claim ('exp') must be"),
        ({"iat": 120}, "'Issued at' claim ('iat') must be"),
        ({"iat": None}, "'Issued at' claim ('iat') must be"),
    ],
)
def test_a_jwt_outside_its_times_is_refused(local_hub: RunningHub, claims: dict[str, int | None], words: str) -> None:
    """``claims`` are seconds from now."""
    clock = int(time.time())
    times = {
        name: clock + seconds for name, seconds in {"iat": -60, "exp": 540, **claims}.items() if seconds is not None
    }
    text = jwt.encode({**times, "iss": str(local_hub.ready.app.id)}, local_hub.private_key, algorithm="RS256")
    status, said = message(local_hub.client(text).get("/app"))
    assert status == 401
    assert said.startswith(words)


def test_a_jwt_of_another_key_is_refused(local_hub: RunningHub) -> None:
    clock = int(time.time())
    claims = {"iat": clock - 60, "exp": clock + 540, "iss": str(local_hub.ready.app.id)}
    text = jwt.encode(claims, new_key_pair()[0], algorithm="RS256")
    assert message(local_hub.client(text).get("/app")) == (401, "A JSON web token could not be decoded")


def test_a_jwt_signed_with_the_public_key_as_a_shared_secret_is_refused(local_hub: RunningHub) -> None:
    clock = int(time.time())
    claims = {"iat": clock - 60, "exp": clock + 540, "iss": str(local_hub.ready.app.id)}
    text = jwt.encode(claims, "x" * 64, algorithm="HS256")
    assert local_hub.client(text).get("/app").status_code == 401


def test_a_jwt_of_an_unknown_app_is_refused(local_hub: RunningHub) -> None:
    answer = local_hub.client(local_hub.app_jwt(iss="99999")).get("/app")
    assert message(answer) == (404, "Integration not found")


def test_a_jwt_opens_no_repository(local_hub: RunningHub) -> None:
    assert local_hub.app().get(DEMO).status_code == 404


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_wrong_token_is_told_so_everywhere(local_hub: RunningHub) -> None:
    for path in ("/user", DEMO, "/app"):
        assert message(local_hub.client("ghp_wrong").get(path)) == (401, "Bad credentials")


def test_an_installation_token_lives_for_an_hour(local_hub: RunningHub) -> None:
    installation = local_hub.ready.installation_id
    made = local_hub.app().post(f"/app/installations/{installation}/access_tokens", json={}).json()
    left = time.mktime(time.strptime(made["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    assert 3_590 < left <= 3_600
    token = local_hub.hub.tokens.find()[-1]
    local_hub.hub.tokens.update(token.id, expires_at="2026-01-01T00:00:00Z")
    assert message(local_hub.client(made["token"]).get(DEMO)) == (401, "Bad credentials")


def test_an_installation_token_does_what_it_was_given_and_nothing_else(local_hub: RunningHub) -> None:
    reading = local_hub.installation(permissions={"issues": "read"})
    assert reading.get(f"{DEMO}/issues").status_code == 200
    assert message(reading.post(f"{DEMO}/issues", json={"title": "No"})) == (
        403,
        "Resource not accessible by integration",
    )
    assert message(reading.get(f"{DEMO}/contents/README.md")) == (403, "Resource not accessible by integration")
    assert reading.get(DEMO).status_code == 200


def test_an_installation_gives_no_more_than_it_was_granted(local_hub: RunningHub) -> None:
    path = f"/app/installations/{local_hub.ready.installation_id}/access_tokens"
    assert local_hub.app().post(path, json={"permissions": {"administration": "write"}}).status_code == 422
    assert local_hub.app().post(path, json={"repositories": ["elsewhere"]}).status_code == 422
    assert local_hub.app().post("/app/installations/1/access_tokens", json={}).status_code == 404


def test_an_installation_sees_the_chosen_repositories_alone(local_hub: RunningHub) -> None:
    if local_hub.hub.repository("owner/secret") is None:
        local_hub.hub.create_repository("owner/secret")
    client = local_hub.installation()
    assert [item["name"] for item in client.get("/installation/repositories").json()["repositories"]] == ["demo"]
    assert message(client.get("/repos/owner/secret")) == (404, "Not Found")
    assert message(local_hub.app().get("/repos/owner/secret/installation")) == (404, "Not Found")


def test_a_jobs_token_is_bound_to_its_repository_and_permissions_until_the_run_ends(local_hub: RunningHub) -> None:
    auth, run_id = local_hub.hub.auth, 4_711
    client = local_hub.client(text := auth.issue_job_token(local_hub.ready.repository, {"contents": "read"}, run_id))
    assert client.get(f"{DEMO}/contents/README.md").status_code == 200
    assert client.put(f"{DEMO}/contents/x", json={"message": "x", "content": ""}).status_code == 403
    auth.change_job_token(text, {"contents": "write"})
    assert client.put(f"{DEMO}/contents/job", json={"message": "x", "content": ""}).status_code == 201
    assert client.get(f"{DEMO}/issues").status_code == 403
    auth.revoke_job_tokens(run_id)
    assert client.get(DEMO).status_code == 401


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_are_compared_without_case(local_hub: RunningHub, tmp_path: Path) -> None:
    client = local_hub.installation(repositories=["Demo"])
    assert client.get("/repos/Owner/DEMO").json()["full_name"] == "owner/demo"
    assert client.get(f"{DEMO}/collaborators/Writer/permission").json()["user"]["login"] == "writer"
    assert local_hub.app().get("/repos/OWNER/demo/installation").status_code == 200
    url = local_hub.git_url(local_hub.ready.tokens["reader"], "OWNER/Demo")
    git("clone", "--quiet", url, "clone", folder=tmp_path)
    assert (tmp_path / "clone" / "README.md").exists()


def test_a_name_that_differs_in_case_alone_is_taken(local_hub: RunningHub) -> None:
    with pytest.raises(ValueError, match="exists already"):
        local_hub.hub.create_repository("Owner/Demo")
    assert local_hub.hub.add_person("WRITER").login == "writer"


# --- people ----------------------------------------------------------------------------------------------------------

ATTEMPTS = {
    "see the repository": ("GET", DEMO, {}),
    "open an issue": ("POST", f"{DEMO}/issues", {"title": "Hello"}),
    "make a label": ("POST", f"{DEMO}/labels", {"name": "taken", "color": "nothex"}),
    "write a file": ("PUT", f"{DEMO}/contents/README.md", {"message": "x", "content": ""}),
    "list the runners": ("GET", f"{DEMO}/actions/runners", {}),
}
TABLE = {
    "owner": (200, 201, 422, 422, 200),
    "writer": (200, 201, 422, 422, 403),
    "reader": (200, 201, 403, 403, 403),
    "outsider": (404, 404, 404, 404, 404),
}


@pytest.mark.parametrize("login", TABLE)
def test_people_may_do_what_their_role_allows(local_hub: RunningHub, login: str) -> None:
    """422: the permission was there, and only then the body was found to be wrong."""
    client = local_hub.person(login)
    found = [client.request(method, path, json=body or None).status_code for method, path, body in ATTEMPTS.values()]
    assert dict(zip(ATTEMPTS, found, strict=True)) == dict(zip(ATTEMPTS, TABLE[login], strict=True))


def test_an_anonymous_visitor_sees_no_private_repository(local_hub: RunningHub) -> None:
    assert local_hub.client().get(DEMO).status_code == 404
    assert message(local_hub.client().get("/user")) == (401, "Requires authentication")


def test_everybody_reads_a_public_repository_and_only_people_write_issues_in_it(local_hub: RunningHub) -> None:
    if local_hub.hub.repository("owner/open") is None:
        local_hub.hub.create_repository("owner/open", private=False)
    assert local_hub.client().get("/repos/owner/open").json()["private"] is False
    assert local_hub.person("outsider").post("/repos/owner/open/issues", json={"title": "Hi"}).status_code == 201
    assert local_hub.client().post("/repos/owner/open/issues", json={"title": "Hi"}).status_code == 401
    assert local_hub.installation().post("/repos/owner/open/issues", json={"title": "Hi"}).status_code == 403


@pytest.mark.parametrize(
    ("login", "permission", "role"),
    [
        ("owner", "admin", "admin"),
        ("writer", "write", "write"),
        ("reader", "read", "read"),
        ("outsider", "none", "none"),
    ],
)
def test_the_permission_of_a_person_is_told(local_hub: RunningHub, login: str, permission: str, role: str) -> None:
    shown = local_hub.installation().get(f"{DEMO}/collaborators/{login}/permission").json()
    assert (shown["permission"], shown["role_name"]) == (permission, role)
    assert shown["user"]["login"] == login


def test_a_changed_role_holds_from_the_next_request_on(local_hub: RunningHub) -> None:
    hub = local_hub.hub
    hub.set_role(local_hub.ready.repository, "outsider", "triage")
    try:
        shown = local_hub.installation().get(f"{DEMO}/collaborators/outsider/permission").json()
        assert (shown["permission"], shown["role_name"]) == ("read", "triage")
        assert local_hub.person("outsider").get(DEMO).status_code == 200
    finally:
        hub.set_role(local_hub.ready.repository, "outsider", "none")
    assert local_hub.person("outsider").get(DEMO).status_code == 404


# --- what GitHub adds to every answer --------------------------------------------------------------------------------


def test_requests_are_counted(local_hub: RunningHub) -> None:
    client = local_hub.person("writer")
    first, second = (int(client.get(DEMO).headers["x-ratelimit-remaining"]) for _ in range(2))
    assert second == first - 1
    assert client.get(DEMO).headers["x-ratelimit-limit"] == "5000"


def test_the_version_of_the_api_is_the_one_that_was_asked_for(local_hub: RunningHub) -> None:
    client = local_hub.person("writer")
    for asked, selected in (({}, "2022-11-28"), ({"X-GitHub-Api-Version": "2026-03-10"}, "2026-03-10")):
        assert client.get(DEMO, headers=asked).headers["x-github-api-version-selected"] == selected


def test_what_has_not_changed_is_not_sent_again(local_hub: RunningHub) -> None:
    client = local_hub.person("reader")
    etag = client.get(DEMO).headers["etag"]
    again = client.get(DEMO, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_a_route_that_the_hub_does_not_have_says_so(local_hub: RunningHub) -> None:
    token = {"Authorization": f"Bearer {local_hub.ready.tokens['owner']}"}
    for method, path in (("GET", f"{DEMO}/pulls"), ("DELETE", DEMO), ("GET", "/nowhere")):
        answer = httpx.request(method, local_hub.api_url + path, headers=token, timeout=10)
        assert message(answer) == (501, f"The local hub does not serve {method} /api/v3{path}.")


def test_a_body_that_is_no_json_is_refused(local_hub: RunningHub) -> None:
    client = local_hub.person("owner")
    assert message(client.post(f"{DEMO}/issues", content=b"{")) == (400, "Problems parsing JSON")
    assert message(client.post(f"{DEMO}/issues", content=b"[]")) == (400, "Body should be a JSON object")
