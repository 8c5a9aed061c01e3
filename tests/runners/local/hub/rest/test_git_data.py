"""Contents and git data through REST, on the real repository."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.github_openapi import check_shape
from tests.support.local_hub import Receiver, RunningHub

DEMO = "/repos/owner/demo"


@pytest.fixture
def client(local_hub: RunningHub) -> httpx.Client:
    return local_hub.installation()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decoded(body: dict[str, Any]) -> str:
    return base64.b64decode(body["content"]).decode()


def head(client: httpx.Client, branch: str = "main") -> str:
    return str(client.get(f"{DEMO}/git/ref/heads/{branch}").json()["object"]["sha"])


def branch_from_main(client: httpx.Client, name: str) -> str:
    sha = head(client)
    assert client.post(f"{DEMO}/git/refs", json={"ref": f"refs/heads/{name}", "sha": sha}).status_code == 201
    return sha


def commit_files(client: httpx.Client, parent: str, files: dict[str, str | None], message: str = "Change") -> str:
    """Commit as the App does: blobs, one tree on the parent's, one commit."""
    base = client.get(f"{DEMO}/git/commits/{parent}").json()["tree"]["sha"]
    lines = []
    for path, text in files.items():
        made = (
            client.post(f"{DEMO}/git/blobs", json={"content": text, "encoding": "utf-8"}) if text is not None else None
        )
        lines.append({"path": path, "mode": "100644", "type": "blob", "sha": made.json()["sha"] if made else None})
    tree = client.post(f"{DEMO}/git/trees", json={"base_tree": base, "tree": lines}).json()
    body = {"message": message, "tree": tree["sha"], "parents": [parent]}
    return str(client.post(f"{DEMO}/git/commits", json=body).json()["sha"])


# --- contents --------------------------------------------------------------------------------------------------------


def test_a_file_is_written_read_changed_and_deleted(client: httpx.Client, receiver: Receiver) -> None:
    path = f"{DEMO}/contents/docs/a%20file.md"
    made = client.put(path, json={"message": "Add", "content": encoded("one\n")})
    assert made.status_code == 201
    sha = made.json()["content"]["sha"]
    shown = client.get(path).json()
    assert (shown["path"], decoded(shown), shown["sha"]) == ("docs/a file.md", "one\n", sha)

    unnamed = client.put(path, json={"message": "Change", "content": encoded("two\n")})
    assert (unnamed.status_code, unnamed.json()["message"]) == (422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    stale = client.put(path, json={"message": "Change", "content": encoded("two\n"), "sha": "0" * 40})
    assert stale.status_code == 409
    changed = client.put(path, json={"message": "Change", "content": encoded("two\n"), "sha": sha}).json()
    assert changed["commit"]["author"]["name"] == "modelyard[bot]"

    gone = client.request("DELETE", path, json={"message": "Remove", "sha": changed["content"]["sha"]})
    assert gone.status_code == 200
    assert client.get(path).status_code == 404
    receiver.wait_for("push", 3)


def test_a_folder_is_listed_and_a_file_comes_raw(client: httpx.Client) -> None:
    listed = client.get(f"{DEMO}/contents/src").json()
    assert [(item["path"], item["type"], item["size"]) for item in listed] == [("src/module.py", "file", 10)]
    assert "README.md" in [item["name"] for item in client.get(f"{DEMO}/contents/").json()]
    raw = client.get(f"{DEMO}/contents/src/module.py", headers={"Accept": "application/vnd.github.raw+json"})
    assert raw.text == "VALUE = 1\n"
    tree = client.get(f"{DEMO}/contents/src", headers={"Accept": "application/vnd.github.object+json"}).json()
    assert [item["name"] for item in tree["entries"]] == ["module.py"]


@pytest.mark.parametrize("path", ["none.txt", "src/none.py", "README.md/x", "..", "src/../README.md"])
def test_what_is_not_there_is_not_found(local_hub: RunningHub, path: str) -> None:
    """Sent as it stands: httpx itself would tidy the dots away."""
    url = httpx.URL(f"{local_hub.api_url}{DEMO}/contents/").copy_with(
        raw_path=f"/api/v3{DEMO}/contents/{path.replace('..', '%2E%2E')}".encode()
    )
    headers = {"Authorization": f"Bearer {local_hub.ready.tokens['owner']}"}
    with httpx.Client() as plain:
        assert plain.get(url, headers=headers).status_code == 404


def test_an_unknown_ref_or_branch_is_named(client: httpx.Client) -> None:
    answer = client.get(f"{DEMO}/contents/README.md", params={"ref": "none"})
    assert (answer.status_code, answer.json()["message"]) == (404, "No commit found for the ref none")
    answer = client.put(f"{DEMO}/contents/x", json={"message": "x", "content": "", "branch": "none"})
    assert (answer.status_code, answer.json()["message"]) == (404, "Branch none not found")


@pytest.mark.parametrize("path", [".git/config", "a/.git/x", "a//b"])
def test_a_path_that_git_would_not_take_is_refused(client: httpx.Client, path: str) -> None:
    assert client.put(f"{DEMO}/contents/{path}", json={"message": "x", "content": ""}).status_code == 422


def test_content_that_is_no_base64_is_refused(client: httpx.Client) -> None:
    assert client.put(f"{DEMO}/contents/x", json={"message": "x", "content": "äöü"}).status_code == 422


def test_the_first_file_of_an_empty_repository_makes_its_branch(local_hub: RunningHub) -> None:
    if local_hub.hub.repository("owner/empty") is None:
        local_hub.hub.create_repository("owner/empty")
    owner = local_hub.person("owner")
    assert owner.get("/repos/owner/empty/contents/x").json()["message"] == "This repository is empty."
    assert owner.get("/repos/owner/empty/commits").status_code == 409
    assert owner.put("/repos/owner/empty/contents/x", json={"message": "x", "content": ""}).status_code == 201
    assert len(owner.get("/repos/owner/empty/commits").json()) == 1


# --- git data --------------------------------------------------------------------------------------------------------


def test_many_files_change_in_one_commit(client: httpx.Client) -> None:
    branch_from_main(client, "many")
    parent = head(client, "many")
    sha = commit_files(client, parent, {"a/b/c.txt": "deep", "README.md": "# New\n", "src/module.py": None})
    moved = client.patch(f"{DEMO}/git/refs/heads/many", json={"sha": sha})
    assert moved.json()["object"]["sha"] == sha
    commit = client.get(f"{DEMO}/commits/many").json()
    assert {item["filename"]: item["status"] for item in commit["files"]} == {
        "a/b/c.txt": "added",
        "README.md": "modified",
        "src/module.py": "removed",
    }
    assert commit["author"]["login"] == "modelyard[bot]"
    tree = client.get(f"{DEMO}/git/trees/{commit['commit']['tree']['sha']}", params={"recursive": "1"}).json()
    assert [item["path"] for item in tree["tree"]] == ["README.md", "a", "a/b", "a/b/c.txt"]


def test_a_tree_takes_over_blobs_and_trees_that_are_there(client: httpx.Client) -> None:
    commit = client.get(f"{DEMO}/git/commits/{head(client)}").json()
    entries = client.get(f"{DEMO}/git/trees/{commit['tree']['sha']}").json()["tree"]
    folder = next(item for item in entries if item["path"] == "src")
    lines = [
        {"path": "copy", "mode": "040000", "type": "tree", "sha": folder["sha"]},
        {"path": "run.sh", "mode": "100755", "type": "blob", "content": "true\n"},
    ]
    made = client.post(f"{DEMO}/git/trees", json={"tree": lines}).json()
    assert "sha" in made, made
    shown = client.get(f"{DEMO}/git/trees/{made['sha']}", params={"recursive": "1"}).json()["tree"]
    assert [(item["path"], item["mode"]) for item in shown] == [
        ("copy", "040000"),
        ("copy/module.py", "100644"),
        ("run.sh", "100755"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        {"path": "x", "mode": "100644", "type": "blob", "sha": "1" * 40},
        {"path": "../x", "mode": "100644", "type": "blob", "content": ""},
        {"path": "a/.git/hooks/x", "mode": "100644", "type": "blob", "content": ""},
        {"path": "x", "mode": "100600", "type": "blob", "content": ""},
        {"path": "x", "mode": "100644", "type": "blob"},
    ],
)
def test_a_tree_that_cannot_be_is_refused(client: httpx.Client, line: dict[str, str]) -> None:
    assert client.post(f"{DEMO}/git/trees", json={"tree": [line]}).status_code == 422


def test_a_commit_needs_a_tree_and_parents_that_exist(client: httpx.Client) -> None:
    sha = head(client)
    tree = client.get(f"{DEMO}/git/commits/{sha}").json()["tree"]["sha"]
    for body in ({"tree": sha}, {"tree": "1" * 40}, {"tree": tree, "parents": [tree]}):
        assert client.post(f"{DEMO}/git/commits", json={"message": "x", **body}).status_code == 422


def test_a_commit_keeps_author_and_message_as_given(client: httpx.Client) -> None:
    tree = client.get(f"{DEMO}/git/commits/{head(client)}").json()["tree"]["sha"]
    author = {"name": "A <b>\n", "email": "a@example.org", "date": "2026-11-22T10:00:00+02:00"}
    made = client.post(f"{DEMO}/git/commits", json={"message": "Überschrift\n\nText", "tree": tree, "author": author})
    assert made.json()["author"] == {"name": "A b", "email": "a@example.org", "date": "2026-11-22T08:00:00Z"}
    assert made.json()["message"] == "Überschrift\n\nText"
    assert made.json()["parents"] == []


# --- refs ------------------------------------------------------------------------------------------------------------


def test_a_branch_moves_forward_only_unless_forced(client: httpx.Client) -> None:
    old = branch_from_main(client, "forward")
    first, second = (commit_files(client, old, {"x": text}) for text in ("1", "2"))
    path = f"{DEMO}/git/refs/heads/forward"
    assert client.patch(path, json={"sha": first}).status_code == 200
    refused = client.patch(path, json={"sha": second, "force": False})
    assert (refused.status_code, refused.json()["message"]) == (422, "Update is not a fast forward")
    assert head(client, "forward") == first
    assert client.patch(path, json={"sha": second, "force": True}).status_code == 200
    assert client.patch(path, json={"sha": "1" * 40}).json()["message"] == "Object does not exist"


def test_of_two_who_move_a_branch_at_once_one_is_refused(local_hub: RunningHub, client: httpx.Client) -> None:
    old = branch_from_main(client, "race")
    shas = [commit_files(client, old, {"x": str(count)}) for count in range(4)]
    clients = [local_hub.installation() for _ in shas]

    def move(pair: tuple[httpx.Client, str]) -> int:
        return pair[0].patch(f"{DEMO}/git/refs/heads/race", json={"sha": pair[1]}).status_code

    with ThreadPoolExecutor(len(shas)) as pool:
        statuses = sorted(pool.map(move, zip(clients, shas, strict=True)))
    assert statuses == [200, 422, 422, 422]


def test_a_ref_is_made_once_found_by_its_beginning_and_deleted(client: httpx.Client) -> None:
    sha, ref = head(client), "refs/modelyard/train-20261122-009/1"
    assert client.post(f"{DEMO}/git/refs", json={"ref": ref, "sha": sha}).status_code == 201
    again = client.post(f"{DEMO}/git/refs", json={"ref": ref, "sha": sha})
    assert (again.status_code, again.json()["message"]) == (422, "Reference already exists")
    found = client.get(f"{DEMO}/git/matching-refs/modelyard/train-20261122-0").json()
    assert ref in [item["ref"] for item in found]
    assert client.delete(f"{DEMO}/git/{ref}").status_code == 204
    gone = client.delete(f"{DEMO}/git/{ref}")
    assert (gone.status_code, gone.json()["message"]) == (422, "Reference does not exist")


@pytest.mark.parametrize("ref", ["main", "refs/x", "refs/heads/a..b", "refs/heads/a b", "refs/pull/1/head"])
def test_a_ref_with_a_wrong_name_is_refused(client: httpx.Client, ref: str) -> None:
    assert client.post(f"{DEMO}/git/refs", json={"ref": ref, "sha": head(client)}).status_code == 422


def test_the_default_branch_stays(client: httpx.Client) -> None:
    assert client.delete(f"{DEMO}/git/refs/heads/main").status_code == 422


# --- commits ---------------------------------------------------------------------------------------------------------


def test_commits_are_shown(client: httpx.Client) -> None:
    old = branch_from_main(client, "feature/x")
    new = commit_files(client, old, {"n": "1\n2\n"}, "More")
    client.patch(f"{DEMO}/git/refs/heads/feature/x", json={"sha": new})
    log = client.get(f"{DEMO}/commits", params={"sha": "feature/x", "per_page": 2}).json()
    assert [item["sha"] for item in log] == [new, old]
    touched = client.get(f"{DEMO}/commits", params={"sha": "feature/x", "path": "n"}).json()
    assert [item["sha"] for item in touched] == [new]
    changed = client.get(f"{DEMO}/commits/{new}").json()["files"]
    assert [(item["filename"], item["additions"]) for item in changed] == [("n", 2)]
    sha = client.get(f"{DEMO}/commits/feature/x", headers={"Accept": "application/vnd.github.sha"})
    assert sha.text == new
    assert client.get(f"{DEMO}/commits/none").status_code == 422
    check_shape("commit", log[0])
