"""Git over HTTP, with real git: tokens, permissions, closed refs, and the push event."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.local_hub import Receiver, RunningHub, git


@pytest.fixture
def checkout(local_hub: RunningHub, tmp_path: Path) -> Path:
    """A clone of the writer's, on a branch of its own."""
    git("clone", "--quiet", local_hub.git_url(local_hub.ready.tokens["writer"]), "clone", folder=tmp_path)
    git("checkout", "--quiet", "-b", tmp_path.name.replace("_", "-"), folder=tmp_path / "clone")
    return tmp_path / "clone"


def commit(folder: Path, name: str, content: str | bytes = "hello\n") -> str:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    git("add", name, folder=folder)
    git("commit", "--quiet", "-m", f"Add {name}", folder=folder)
    return head(folder)


def head(folder: Path) -> str:
    return git("rev-parse", "HEAD", folder=folder).stdout.strip()


def branch_of(folder: Path) -> str:
    return git("branch", "--show-current", folder=folder).stdout.strip()


def test_what_is_pushed_is_fetched_by_others_and_told_to_the_app(
    local_hub: RunningHub, receiver: Receiver, checkout: Path, tmp_path: Path
) -> None:
    sha = commit(checkout, "file.txt")
    branch = branch_of(checkout)
    git("push", "--quiet", "origin", branch, folder=checkout)
    reader = local_hub.git_url(local_hub.ready.tokens["reader"])
    git("clone", "--quiet", "--branch", branch, reader, "other", folder=tmp_path)
    assert head(tmp_path / "other") == sha
    with receiver.arrived:
        assert receiver.arrived.wait_for(lambda: f"refs/heads/{branch}" in pushed(receiver), 10)
    payload = next(item.payload for item in receiver.received if item.payload.get("ref") == f"refs/heads/{branch}")
    assert (payload["before"], payload["after"], payload["created"]) == ("0" * 40, sha, True)
    assert payload["head_commit"]["added"] == ["file.txt"]
    assert payload["sender"]["login"] == payload["pusher"]["name"] == "writer"


def pushed(receiver: Receiver) -> list[str]:
    return [item.payload["ref"] for item in receiver.received if item.event == "push"]


def test_a_large_push_arrives_whole(local_hub: RunningHub, checkout: Path) -> None:
    """Above git's buffer of 1 MiB the client sends in chunks, without a length."""
    sha = commit(checkout, "large.bin", os.urandom(3_000_000))
    git("push", "--quiet", "origin", "HEAD", folder=checkout)
    shown = local_hub.person("reader").get(f"/repos/owner/demo/commits/{branch_of(checkout)}").json()
    assert shown["sha"] == sha


def test_a_long_negotiation_which_git_compresses_is_understood(
    local_hub: RunningHub, checkout: Path, tmp_path: Path
) -> None:
    git("clone", "--quiet", local_hub.git_url(local_hub.ready.tokens["reader"]), "other", folder=tmp_path)
    for count in range(40):
        git("commit", "--quiet", "--allow-empty", "-m", f"only here {count}", folder=tmp_path / "other")
    sha = commit(checkout, "news.txt")
    git("push", "--quiet", "origin", "HEAD", folder=checkout)
    git("fetch", "--quiet", "origin", folder=tmp_path / "other")
    fetched = git("rev-parse", f"origin/{branch_of(checkout)}", folder=tmp_path / "other").stdout.strip()
    assert fetched == sha


def test_two_pushes_at_once_are_each_told_once(local_hub: RunningHub, receiver: Receiver, checkout: Path) -> None:
    commit(checkout, "both.txt")
    names = [f"{branch_of(checkout)}-{count}" for count in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: git("push", "--quiet", "origin", f"HEAD:refs/heads/{name}", folder=checkout), names))
    with receiver.arrived:
        assert receiver.arrived.wait_for(lambda: {f"refs/heads/{name}" for name in names} <= set(pushed(receiver)), 10)
    assert [pushed(receiver).count(f"refs/heads/{name}") for name in names] == [1, 1, 1]


def test_a_commit_is_fetched_by_its_sha_alone(local_hub: RunningHub, checkout: Path, tmp_path: Path) -> None:
    sha = commit(checkout, "first.txt")
    commit(checkout, "second.txt")
    git("push", "--quiet", "origin", "HEAD", folder=checkout)
    git("init", "--quiet", "bare", folder=tmp_path)
    url = local_hub.git_url(local_hub.installation_token())
    git("fetch", "--quiet", "--depth=1", url, sha, folder=tmp_path / "bare")
    assert git("rev-parse", "FETCH_HEAD", folder=tmp_path / "bare").stdout.strip() == sha


def test_results_are_pushed_outside_the_branches_and_tell_nothing(
    local_hub: RunningHub, receiver: Receiver, checkout: Path
) -> None:
    token = local_hub.hub.auth.issue_job_token(local_hub.ready.repository, {"contents": "write"}, 77)
    sha = commit(checkout, "result.json", "{}")
    ref = "refs/modelyard/train-20261122-001/1"
    git("push", "--quiet", local_hub.git_url(token), f"{sha}:{ref}", folder=checkout)
    client = local_hub.installation()
    found = client.get("/repos/owner/demo/git/matching-refs/modelyard/train-20261122-001/").json()
    assert [(item["ref"], item["object"]["sha"]) for item in found] == [(ref, sha)]
    assert client.get("/repos/owner/demo/git/ref/modelyard/train-20261122-001/1").status_code == 404
    assert client.delete(f"/repos/owner/demo/git/{ref}").status_code == 204
    commit(checkout, "after.txt")
    git("push", "--quiet", "origin", "HEAD", folder=checkout)
    receiver.wait_for("push")
    assert ref not in pushed(receiver)


def test_refs_of_pull_requests_are_closed(local_hub: RunningHub, checkout: Path) -> None:
    commit(checkout, "sneaky.txt")
    refused = git("push", "origin", "HEAD:refs/pull/1/head", folder=checkout, check=False)
    assert refused.returncode != 0
    assert "hidden ref" in refused.stderr
    answer = local_hub.person("owner").post(
        "/repos/owner/demo/git/refs", json={"ref": "refs/pull/1/head", "sha": head_of_main(local_hub)}
    )
    assert answer.status_code == 422


def head_of_main(local_hub: RunningHub) -> str:
    return str(local_hub.person("reader").get("/repos/owner/demo/git/ref/heads/main").json()["object"]["sha"])


@pytest.mark.parametrize(
    ("who", "clone", "push"),
    [("owner", True, True), ("writer", True, True), ("reader", True, False), ("outsider", False, False)],
)
def test_people_fetch_and_push_as_their_role_allows(
    local_hub: RunningHub, tmp_path: Path, who: str, *, clone: bool, push: bool
) -> None:
    url = local_hub.git_url(local_hub.ready.tokens[who])
    assert (git("ls-remote", url, folder=tmp_path, check=False).returncode == 0) is clone
    if clone:
        git("clone", "--quiet", url, "clone", folder=tmp_path)
        commit(tmp_path / "clone", f"by-{who}.txt")
        pushing = git("push", "--quiet", url, f"HEAD:refs/heads/by-{who}", folder=tmp_path / "clone", check=False)
        assert (pushing.returncode == 0) is push, pushing.stderr


@pytest.mark.parametrize(("permissions", "works"), [({"contents": "read"}, True), ({"issues": "write"}, False)])
def test_an_installations_token_fetches_with_the_permission_on_contents(
    local_hub: RunningHub, tmp_path: Path, permissions: dict[str, str], *, works: bool
) -> None:
    url = local_hub.git_url(local_hub.installation_token(permissions=permissions))
    assert (git("ls-remote", url, folder=tmp_path, check=False).returncode == 0) is works


def test_without_a_token_git_is_asked_to_sign_in(local_hub: RunningHub) -> None:
    for name in ("demo.git", "demo", "no-such-repository"):
        answer = httpx.get(f"{local_hub.url}/owner/{name}/info/refs", params={"service": "git-upload-pack"}, timeout=10)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="GitHub"')


def test_a_deleted_branch_is_told(local_hub: RunningHub, receiver: Receiver, checkout: Path) -> None:
    commit(checkout, "short-lived.txt")
    branch = branch_of(checkout)
    git("push", "--quiet", "origin", "HEAD", folder=checkout)
    git("push", "--quiet", "origin", "--delete", branch, folder=checkout)
    with receiver.arrived:
        assert receiver.arrived.wait_for(lambda: pushed(receiver).count(f"refs/heads/{branch}") == 2, 10)
    last = [item.payload for item in receiver.received if item.payload.get("ref") == f"refs/heads/{branch}"][-1]
    assert (last["deleted"], last["after"], last["head_commit"]) == (True, "0" * 40, None)
