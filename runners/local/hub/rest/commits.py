"""Commits."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

from typing import Any

from starlette.responses import PlainTextResponse

from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.git import objects
from runners.local.hub.rest import git_shapes
from runners.local.hub.rest.framework import Answer, Call, Routes

routes = Routes()
STATUSES = {"A": "added", "D": "removed", "M": "modified", "T": "changed"}
MAX_FILES = 300
MAX_COMMITS = 250


@routes.get("/repos/{owner}/{repo}/commits", needs="contents:read")
def list_commits(call: Call) -> Answer:
    git = call.hub.git(call.repository)
    start = call.query.get("sha") or call.repository.default_branch
    sha = git.resolve(start)
    if sha is None:
        raise not_found() if call.query.get("sha") else ApiError(409, "Git Repository is empty.")
    limits = [f"--{name}={call.query[name]}" for name in ("since", "until") if name in call.query]
    path = ("--", call.query["path"]) if "path" in call.query else ()
    found = git.text("rev-list", *limits, sha, *path).splitlines()
    return call.paged(found, lambda item: _commit(call, item))


@routes.get("/repos/{owner}/{repo}/commits/{ref:path}", needs="contents:read")
def get_commit(call: Call) -> Any:
    git, ref = call.hub.git(call.repository), call.path["ref"]
    sha = git.resolve(ref)
    if sha is None:
        raise ApiError(422, f"No commit found for SHA: {ref}")
    if call.headers.get("accept", "").startswith("application/vnd.github.sha"):
        return PlainTextResponse(sha, media_type="application/vnd.github.sha")
    files = _files(call, "--root", sha)
    added, removed = (sum(file[name] for file in files) for name in ("additions", "deletions"))
    stats = {"additions": added, "deletions": removed, "total": added + removed}
    return {**_commit(call, sha), "stats": stats, "files": files}


@routes.get("/repos/{owner}/{repo}/compare/{basehead:path}", needs="contents:read")
def compare_commits(call: Call) -> Any:
    """Compare as ``base...head`` does: with the commit at which the two have parted."""
    git = call.hub.git(call.repository)
    names = call.path["basehead"].partition("...")
    base, head = git.resolve(names[0]), git.resolve(names[2])
    parted = objects.merge_base(git, base, head) if base and head else None
    if base is None or head is None or parted is None:
        raise not_found()
    ahead = git.text("rev-list", "--reverse", f"{parted}..{head}").splitlines()
    behind = len(git.text("rev-list", f"{parted}..{base}").splitlines())
    status = ("diverged" if ahead else "behind") if behind else ("ahead" if ahead else "identical")
    page = f"{call.hub.base_url}/{call.repository.full_name}/compare/{base}...{head}"
    return {
        "url": f"{call.hub.api_url}/repos/{call.repository.full_name}/compare/{base}...{head}",
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": _commit(call, base),
        "merge_base_commit": _commit(call, parted),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": behind,
        "total_commits": len(ahead),
        "commits": [_commit(call, sha) for sha in ahead[:MAX_COMMITS]],
        "files": _files(call, parted, head),
    }


def _commit(call: Call, sha: str) -> dict[str, Any]:
    return git_shapes.commit(call.hub, call.repository, objects.read_commit(call.hub.git(call.repository), sha))


def _files(call: Call, *revisions: str) -> list[dict[str, Any]]:
    """Return what changed between two revisions, or in one commit."""
    git, head = call.hub.git(call.repository), revisions[-1]
    options = ("-r", "-z", "--no-commit-id", "--no-renames")
    raw = git.run("diff-tree", *options, "--raw", "--no-abbrev", *revisions).decode(errors="replace").split("\0")
    counts = git.run("diff-tree", *options, "--numstat", *revisions).decode(errors="replace").split("\0")
    lines = {path: (added, removed) for added, removed, path in (item.split("\t", 2) for item in counts if item)}
    return [
        _changed(call, head, details.split(), path, lines.get(path, ("0", "0")))
        for details, path in list(zip(raw[::2], raw[1::2], strict=False))[:MAX_FILES]
    ]


def _changed(call: Call, head: str, details: list[str], path: str, counted: tuple[str, str]) -> dict[str, Any]:
    added, removed = (int(text) if text.isdecimal() else 0 for text in counted)
    _, _, old, new, status = details
    shape = git_shapes.file(call.hub, call.repository, head, path, old if status == "D" else new, "file", 0)
    return {
        "sha": shape["sha"],
        "filename": path,
        "status": STATUSES.get(status[0], "changed"),
        "additions": added,
        "deletions": removed,
        "changes": added + removed,
        "blob_url": shape["html_url"],
        "raw_url": shape["download_url"],
        "contents_url": shape["url"],
    }
