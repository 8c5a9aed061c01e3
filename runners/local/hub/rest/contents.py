"""The contents API: files and folders of a branch, one commit for each change."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from runners.local.hub.editions import NEWEST_VERSION
from runners.local.hub.errors import ApiError, invalid_request, not_found
from runners.local.hub.git import objects, push_events
from runners.local.hub.git.objects import Entry
from runners.local.hub.git.repository import GitError
from runners.local.hub.rest import git_shapes
from runners.local.hub.rest.framework import Answer, Call, Routes
from runners.local.hub.rest.git_data import read_base64, signature, write_base64

routes = Routes()
CONTENTS = "/repos/{owner}/{repo}/contents/{path:path}"
KINDS = {"040000": "dir", "120000": "symlink", "160000": "submodule"}
MAX_INLINE_BYTES = 1024 * 1024
RAW = ("application/vnd.github.raw", "application/vnd.github.v3.raw")
OBJECT = "application/vnd.github.object"


@routes.get("/repos/{owner}/{repo}/contents", needs="contents:read")
@routes.get(CONTENTS, needs="contents:read")
def get_contents(call: Call) -> Any:
    path = str(call.path.get("path", "")).strip("/")
    revision = call.query.get("ref") or call.repository.default_branch
    git = call.hub.git(call.repository)
    if git.resolve(revision) is None:
        raise ApiError(
            404, f"No commit found for the ref {revision}" if call.query.get("ref") else "This repository is empty."
        )
    accept = call.headers.get("accept", "")
    folder = git.folder(revision, path)
    if folder is not None:
        return _folder(call, revision, path, folder, as_object=accept.startswith(OBJECT))
    entry = _find(call, revision, path)
    if entry is None or entry.sha is None:
        raise not_found()
    content = git.run("cat-file", "blob", entry.sha) if entry.kind == "blob" else b""
    if accept.startswith(RAW):
        return Response(content, media_type="application/vnd.github.raw; charset=utf-8")
    return _file(call, revision, entry, content)


@routes.put(CONTENTS, needs="contents:write", body="message content sha branch author committer")
def put_contents(call: Call) -> Answer:
    path, message, content = _path(call), call.text("message"), read_base64(call.text("content"))
    branch, present = _branch_and_present(call, path)
    if present is not None:
        _check_sha(call, path, present)
    entry = Entry(
        path,
        present.mode if present else "100644",
        "blob",
        objects.write_blob(call.hub.git(call.repository), content),
    )
    commit = _commit(call, branch, message, entry)
    shape = {**_listed(call, branch, Entry(path, entry.mode, "blob", entry.sha, len(content)))}
    return Answer({"content": shape, "commit": commit}, 200 if present else 201)


@routes.delete(CONTENTS, needs="contents:write", body="message sha branch author committer")
def delete_contents(call: Call) -> Any:
    path, message = _path(call), call.text("message")
    branch, present = _branch_and_present(call, path)
    if present is None:
        raise not_found()
    _check_sha(call, path, present)
    return {"content": None, "commit": _commit(call, branch, message, Entry(path, present.mode, "blob", None))}


def _path(call: Call) -> str:
    path = str(call.path["path"])
    if not path or any(part in ("", ".", "..", ".git") for part in path.split("/")):
        raise ApiError(422, "path contains a malformed path component")
    return path


def _branch_and_present(call: Call, path: str) -> tuple[str, Entry | None]:
    branch = call.text("branch", call.repository.default_branch)
    git = call.hub.git(call.repository)
    if git.head(branch) is None:
        if git.refs("refs/heads"):
            raise ApiError(404, f"Branch {branch} not found")
        return branch, None
    return branch, _find(call, f"refs/heads/{branch}", path)


def _check_sha(call: Call, path: str, present: Entry) -> None:
    given = call.text("sha", "")
    if not given:
        raise invalid_request('"sha" wasn\'t supplied.')
    if given != present.sha:
        raise ApiError(409, f"{path} does not match {given}")


def _commit(call: Call, branch: str, message: str, entry: Entry) -> dict[str, Any]:
    """Commit one change on a branch's head; 409 where the branch has moved meanwhile."""
    git, ref = call.hub.git(call.repository), f"refs/heads/{branch}"
    head = git.head(branch)
    author = signature(call, "author", git_shapes.signature_of(call.actor))
    committer = signature(call, "committer", author)
    try:
        tree = objects.write_tree(git, [entry], f"{head}^{{tree}}" if head else None)
    except GitError as error:
        raise ApiError(422, f"the file could not be written: {error.message}") from None
    sha = objects.write_commit(git, tree, [head] if head else [], message, author, committer)
    if not objects.move(git, ref, sha, head):
        raise ApiError(409, f"{branch} has moved since it was read")
    push_events.tell(call.hub, call.actor, call.repository, ref, head, sha)
    return git_shapes.git_commit(call.hub, call.repository, objects.read_commit(git, sha))


def _find(call: Call, revision: str, path: str) -> Entry | None:
    """Return the file at a path, with its mode and size."""
    if any(part in ("", ".", "..") for part in path.split("/")):
        return None
    found = objects.read_tree(call.hub.git(call.repository), revision, path=path)
    return found[0] if found and found[0].kind != "tree" else None


def _folder(call: Call, revision: str, path: str, sha: str, *, as_object: bool) -> Any:
    prefix = f"{path}/" if path else ""
    lines = [
        _in_folder(
            call, _listed(call, revision, Entry(prefix + entry.path, entry.mode, entry.kind, entry.sha, entry.size))
        )
        for entry in objects.read_tree(call.hub.git(call.repository), sha)
    ]
    if not as_object:
        return lines
    return {**git_shapes.file(call.hub, call.repository, revision, path, sha, "dir", 0), "entries": lines}


def _in_folder(call: Call, shape: dict[str, Any]) -> dict[str, Any]:
    """Return how a folder's list shows an entry: before the newest version of the API, a submodule looks like a file."""
    hides = shape["type"] == "submodule" and call.version < NEWEST_VERSION
    return {**shape, "type": "file"} if hides else shape


def _listed(call: Call, revision: str, entry: Entry) -> dict[str, Any]:
    kind = KINDS.get(entry.mode, "file")
    return git_shapes.file(call.hub, call.repository, revision, entry.path, str(entry.sha), kind, entry.size or 0)


def _file(call: Call, revision: str, entry: Entry, content: bytes) -> dict[str, Any]:
    shape = _listed(call, revision, entry)
    if shape["type"] == "symlink":
        return {**shape, "target": content.decode(errors="replace")}
    if shape["type"] == "submodule":
        return {**shape, "submodule_git_url": None}
    if len(content) > MAX_INLINE_BYTES:
        return {**shape, "content": "", "encoding": "none"}
    return {**shape, "content": write_base64(content), "encoding": "base64"}
