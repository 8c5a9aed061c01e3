"""Refs: looked up, created, moved and deleted."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

from typing import Any

from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.git import objects, push_events
from runners.local.hub.rest import git_shapes
from runners.local.hub.rest.framework import Answer, Call, Routes

routes = Routes()
GIT = "/repos/{owner}/{repo}/git"
MIN_PARTS = 3


@routes.get(GIT + "/ref/{ref:path}", needs="contents:read")
def get_ref(call: Call) -> Any:
    """Only heads and tags, as documented; ``matching-refs`` finds the others."""
    ref = f"refs/{call.path['ref']}"
    sha = call.hub.git(call.repository).refs(ref).get(ref)
    if sha is None or not ref.startswith(("refs/heads/", "refs/tags/")):
        raise not_found()
    return _shape(call, ref, sha)


@routes.get(GIT + "/matching-refs/{ref:path}", needs="contents:read")
def list_matching_refs(call: Call) -> Any:
    wanted = f"refs/{call.path['ref']}"
    found = call.hub.git(call.repository).refs(wanted.rsplit("/", 1)[0])
    return [_shape(call, ref, sha) for ref, sha in found.items() if ref.startswith(wanted)]


@routes.post(GIT + "/refs", needs="contents:write", body="ref sha")
def create_ref(call: Call) -> Answer:
    git, ref, sha = call.hub.git(call.repository), call.text("ref"), call.text("sha")
    if len(ref.split("/")) < MIN_PARTS or not objects.is_ref_name(git, ref):
        raise ApiError(422, "Reference name must start with 'refs/' and have at least two slashes.")
    _check_open(ref)
    _check_object(call, ref, sha)
    if git.refs(ref).get(ref) or not objects.move(git, ref, sha, None):
        raise ApiError(422, "Reference already exists")
    push_events.tell(call.hub, call.actor, call.repository, ref, None, sha)
    shape = _shape(call, ref, sha)
    return Answer(shape, 201, {"Location": shape["url"]})


@routes.patch(GIT + "/refs/{ref:path}", needs="contents:write", body="sha force")
def update_ref(call: Call) -> Any:
    git, ref, sha = call.hub.git(call.repository), f"refs/{call.path['ref']}", call.text("sha")
    _check_open(ref)
    old = _present(call, ref)
    _check_object(call, ref, sha)
    if call.json.get("force") is not True and not objects.is_ancestor(git, old, sha):
        raise ApiError(422, "Update is not a fast forward")
    if not objects.move(git, ref, sha, old):
        raise ApiError(422, "Update is not a fast forward")
    push_events.tell(call.hub, call.actor, call.repository, ref, old, sha)
    return _shape(call, ref, sha)


@routes.delete(GIT + "/refs/{ref:path}", needs="contents:write")
def delete_ref(call: Call) -> Answer:
    git, ref = call.hub.git(call.repository), f"refs/{call.path['ref']}"
    _check_open(ref)
    old = _present(call, ref)
    if ref == f"refs/heads/{call.repository.default_branch}":
        raise ApiError(422, "Cannot delete the default branch")
    if not objects.move(git, ref, None, old):
        raise ApiError(409, "Reference has moved")
    push_events.tell(call.hub, call.actor, call.repository, ref, old, None)
    return Answer(status=204)


def _present(call: Call, ref: str) -> str:
    sha = call.hub.git(call.repository).refs(ref).get(ref) if "*" not in ref else None
    if sha is None:
        raise ApiError(422, "Reference does not exist")
    return sha


def _check_open(ref: str) -> None:
    if ref.startswith("refs/pull/"):
        raise ApiError(422, "refs/pull/ is closed: its refs cannot be created, moved or deleted")


def _check_object(call: Call, ref: str, sha: str) -> None:
    kind = objects.kind_of(call.hub.git(call.repository), sha)
    if kind is None:
        raise ApiError(422, "Object does not exist")
    if ref.startswith("refs/heads/") and kind != "commit":
        raise ApiError(422, "Object is not a commit")


def _shape(call: Call, ref: str, sha: str) -> dict[str, Any]:
    kind = objects.kind_of(call.hub.git(call.repository), sha) or "commit"
    return git_shapes.ref(call.hub, call.repository, ref, sha, kind)
