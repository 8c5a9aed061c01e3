"""The Git data API: blobs, trees and commits."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

import base64
import binascii
from typing import Any, cast

from runners.local.hub.errors import ApiError, invalid_request, not_found
from runners.local.hub.git import objects
from runners.local.hub.git.objects import Entry, Kind, Signature
from runners.local.hub.git.repository import GitError
from runners.local.hub.rest import git_shapes
from runners.local.hub.rest.framework import Answer, Call, Routes
from runners.local.hub.rest.shapes import node_id

routes = Routes()
GIT = "/repos/{owner}/{repo}/git"
MODES = {"100644": "blob", "100755": "blob", "120000": "blob", "040000": "tree", "160000": "commit"}


@routes.post(GIT + "/blobs", needs="contents:write", body="content encoding")
def create_blob(call: Call) -> Answer:
    text, encoding = call.text("content"), call.text("encoding", "utf-8")
    if encoding not in ("utf-8", "base64"):
        raise invalid_request('"encoding" is neither utf-8 nor base64.')
    content = read_base64(text) if encoding == "base64" else text.encode()
    sha = objects.write_blob(call.hub.git(call.repository), content)
    return Answer({"sha": sha, "url": _url(call, "blobs", sha)}, 201)


@routes.get(GIT + "/blobs/{sha}", needs="contents:read")
def get_blob(call: Call) -> Any:
    git, sha = call.hub.git(call.repository), call.path["sha"]
    if objects.kind_of(git, sha) != "blob":
        raise not_found()
    content = git.run("cat-file", "blob", sha)
    return {
        "sha": sha,
        "node_id": node_id("Blob", sha),
        "size": len(content),
        "url": _url(call, "blobs", sha),
        "content": write_base64(content),
        "encoding": "base64",
    }


@routes.post(GIT + "/trees", needs="contents:write", body="tree base_tree")
def create_tree(call: Call) -> Answer:
    git, lines = call.hub.git(call.repository), call.json.get("tree")
    if not isinstance(lines, list) or not lines:
        raise invalid_request('"tree" wasn\'t supplied.')
    base = call.text("base_tree", "") or None
    if base is not None and git.resolve(base, "tree") is None:
        raise ApiError(422, "base_tree is not a valid tree oid")
    entries = [_entry(call, line) for line in lines]
    try:
        sha = objects.write_tree(git, entries, base)
    except GitError as error:
        raise ApiError(422, f"tree could not be written: {error.message}") from None
    return Answer(_tree(call, sha, recursive=False), 201)


@routes.get(GIT + "/trees/{sha:path}", needs="contents:read")
def get_tree(call: Call) -> Any:
    sha = call.hub.git(call.repository).resolve(call.path["sha"], "tree")
    if sha is None:
        raise not_found()
    return _tree(call, sha, recursive="recursive" in call.query)


@routes.post(GIT + "/commits", needs="contents:write", body="message tree parents author committer signature")
def create_commit(call: Call) -> Answer:
    git, message, tree = call.hub.git(call.repository), call.text("message"), call.text("tree")
    parents = call.strings("parents") or []
    if objects.kind_of(git, tree) != "tree":
        raise ApiError(422, "Tree SHA does not exist")
    if any(objects.kind_of(git, parent) != "commit" for parent in parents):
        raise ApiError(422, "Parent SHA does not exist or is not a commit object")
    author = signature(call, "author", git_shapes.signature_of(call.actor))
    committer = signature(call, "committer", author)
    sha = objects.write_commit(git, tree, parents, message, author, committer)
    shape = git_shapes.git_commit(call.hub, call.repository, objects.read_commit(git, sha))
    return Answer(shape, 201, {"Location": shape["url"]})


@routes.get(GIT + "/commits/{sha}", needs="contents:read")
def get_commit(call: Call) -> Any:
    git, sha = call.hub.git(call.repository), call.path["sha"]
    if objects.kind_of(git, sha) != "commit":
        raise not_found()
    return git_shapes.git_commit(call.hub, call.repository, objects.read_commit(git, sha))


def signature(call: Call, name: str, default: Signature) -> Signature:
    """Return the body's author or committer; what it leaves out is taken from the default."""
    given = call.json.get(name)
    if given is None:
        return default
    if not isinstance(given, dict) or not isinstance(given.get("name"), str) or not isinstance(given.get("email"), str):
        raise invalid_request(f'"{name}" needs "name" and "email".')
    seconds = _seconds(given["date"]) if given.get("date") else default.seconds
    return Signature(given["name"], given["email"], seconds)


def read_base64(text: str) -> bytes:
    """Decode base64 with or without line breaks; 422 where it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ApiError(422, "content is not valid Base64") from None


def write_base64(content: bytes) -> str:
    """Encode as GitHub does, in lines of 60 characters."""
    text = base64.b64encode(content).decode("ascii")
    return "".join(text[start : start + 60] + "\n" for start in range(0, len(text), 60))


def _seconds(date: Any) -> int:
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(str(date)).timestamp())
    except (ValueError, OverflowError):
        raise invalid_request(f"{date!r} is not an ISO 8601 date.") from None


def _entry(call: Call, line: Any) -> Entry:
    if not isinstance(line, dict) or not isinstance(line.get("path"), str) or str(line.get("mode")) not in MODES:
        raise ApiError(422, "tree.path and tree.mode must be supplied")
    path, mode, content = line["path"], line["mode"], line.get("content")
    if (
        path.startswith("/")
        or ".git" in path.split("/")
        or not all(part not in ("", ".", "..") for part in path.split("/"))
    ):
        raise ApiError(422, f"tree.path contains a malformed path component: {path}")
    git, sha = call.hub.git(call.repository), line.get("sha")
    if isinstance(content, str):
        sha = objects.write_blob(git, content.encode())
    elif sha is None and "sha" not in line:
        raise ApiError(422, "Must supply either tree.sha or tree.content")
    kind = MODES[mode]
    if sha is not None and kind != "commit" and objects.kind_of(git, str(sha)) != kind:
        raise ApiError(422, f"tree.sha {sha} is not a valid {kind}")
    return Entry(path, mode, cast("Kind", kind), sha)


def _tree(call: Call, sha: str, *, recursive: bool) -> dict[str, Any]:
    entries = objects.read_tree(call.hub.git(call.repository), sha, recursive=recursive)
    lines = []
    for entry in entries:
        line: dict[str, Any] = {"path": entry.path, "mode": entry.mode, "type": entry.kind, "sha": entry.sha}
        line |= {"size": entry.size} if entry.size is not None else {}
        lines.append(line | {"url": _url(call, f"{entry.kind}s", str(entry.sha))})
    return {"sha": sha, "url": _url(call, "trees", sha), "tree": lines, "truncated": False}


def _url(call: Call, part: str, sha: str) -> str:
    return f"{call.hub.api_url}/repos/{call.repository.full_name}/git/{part}/{sha}"
