"""What commits, refs and files look like in JSON."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runners.local.hub.git.objects import Commit, Signature
from runners.local.hub.permissions import Actor
from runners.local.hub.records import Repository, User
from runners.local.hub.rest import shapes
from runners.local.hub.rest.shapes import Json, node_id

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

NO_REPLY = re.compile(r"(\d+)\+.+@users\.noreply\.github\.com")
HUB = ("GitHub", "noreply@github.com")
UNVERIFIED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def signature_of(actor: Actor) -> Signature:
    """The signature of what an account commits through the API."""
    user = actor.account
    return Signature(user.name or user.login, f"{user.id}+{user.login}@users.noreply.github.com", int(time.time()))


def account_of(hub: Hub, signature: Signature) -> User | None:
    """The account that a signature's address belongs to."""
    match = NO_REPLY.fullmatch(signature.email)
    return hub.users.get(int(match[1])) if match else None


def git_commit(hub: Hub, repository: Repository, commit: Commit) -> Json:
    """A commit as the Git data API shows it."""
    api, page = _places(hub, repository)
    return {
        "sha": commit.sha,
        "node_id": node_id("Commit", commit.sha),
        "url": f"{api}/git/commits/{commit.sha}",
        "html_url": f"{page}/commit/{commit.sha}",
        "author": _signed(commit.author),
        "committer": _signed(commit.committer),
        "tree": {"sha": commit.tree, "url": f"{api}/git/trees/{commit.tree}"},
        "message": commit.message,
        "parents": [
            {"sha": sha, "url": f"{api}/git/commits/{sha}", "html_url": f"{page}/commit/{sha}"}
            for sha in commit.parents
        ],
        "verification": UNVERIFIED,
    }


def commit(hub: Hub, repository: Repository, found: Commit) -> Json:
    """A commit as the commits API shows it."""
    api, page = _places(hub, repository)
    people = {
        name: shapes.user(hub, user) if (user := account_of(hub, signature)) else None
        for name, signature in (("author", found.author), ("committer", found.committer))
    }
    url = f"{api}/commits/{found.sha}"
    inner = git_commit(hub, repository, found)
    kept = ("author", "committer", "message", "tree", "url", "verification")
    return {
        "sha": found.sha,
        "node_id": node_id("Commit", found.sha),
        "commit": {**{name: inner[name] for name in kept}, "comment_count": 0},
        "url": url,
        "html_url": f"{page}/commit/{found.sha}",
        "comments_url": f"{url}/comments",
        **people,
        "parents": [
            {"sha": sha, "url": f"{api}/commits/{sha}", "html_url": f"{page}/commit/{sha}"} for sha in found.parents
        ],
    }


def ref(hub: Hub, repository: Repository, name: str, sha: str, kind: str = "commit") -> Json:
    """A ref."""
    api, _ = _places(hub, repository)
    part = {"commit": "commits", "tag": "tags", "tree": "trees", "blob": "blobs"}[kind]
    return {
        "ref": name,
        "node_id": node_id("Ref", name),
        "url": f"{api}/git/{name}",
        "object": {"sha": sha, "type": kind, "url": f"{api}/git/{part}/{sha}"},
    }


def file(hub: Hub, repository: Repository, revision: str, path: str, sha: str, kind: str, size: int) -> Json:
    """What lists and files share in the contents API; ``kind`` is file, dir, symlink or submodule."""
    api, page = _places(hub, repository)
    where, at = quote(path), quote(revision, safe="")
    part, view = ("trees", "tree") if kind == "dir" else ("blobs", "blob")
    urls: Mapping[str, Any] = {
        "url": f"{api}/contents/{where}?ref={at}",
        "html_url": f"{page}/{view}/{revision}/{where}",
        "git_url": f"{api}/git/{part}/{sha}",
        "download_url": None if kind == "dir" else f"{page}/raw/{revision}/{where}",
    }
    return {
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": sha,
        "size": size,
        **urls,
        "type": kind,
        "_links": {"self": urls["url"], "git": urls["git_url"], "html": urls["html_url"]},
    }


def pushed_commit(hub: Hub, repository: Repository, found: Commit, files: Mapping[str, list[str]]) -> Json:
    """A commit as the ``push`` event shows it."""
    _, page = _places(hub, repository)
    people = {}
    for name, signature in (("author", found.author), ("committer", found.committer)):
        account = account_of(hub, signature)
        people[name] = {"name": signature.name, "email": signature.email, "date": signature.date}
        people[name] |= {"username": account.login} if account else {}
    return {
        "id": found.sha,
        "tree_id": found.tree,
        "distinct": True,
        "message": found.message,
        "timestamp": found.committer.date,
        "url": f"{page}/commit/{found.sha}",
        **people,
        "added": files["A"],
        "removed": files["D"],
        "modified": files["M"],
    }


def _signed(signature: Signature) -> Json:
    return {"name": signature.name, "email": signature.email, "date": signature.date}


def _places(hub: Hub, repository: Repository) -> tuple[str, str]:
    return f"{hub.api_url}/repos/{repository.full_name}", f"{hub.base_url}/{repository.full_name}"
