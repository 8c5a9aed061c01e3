"""Branches, commits and comparisons."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

from typing import Any

from starlette.responses import PlainTextResponse

from runners.local.hub import git_objects, git_shapes
from runners.local.hub.api import Answer, Call, Routes
from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.git import GitError

routes = Routes()
STATUSES = {"A": "added", "D": "removed", "M": "modified", "T": "changed"}
MOST_COMMITS = 250
MOST_FILES = 300


@routes.get("/repos/{owner}/{repo}/branches", needs="contents:read")
def list_branches(call: Call) -> Answer:
    found = call.hub.git(call.repository).refs("refs/heads")
    return call.paged(list(found.items()), lambda item: _branch(call, item[0].removeprefix("refs/heads/"), item[1]))


@routes.get("/repos/{owner}/{repo}/branches/{branch:path}", needs="contents:read")
def get_branch(call: Call) -> Any:
    git, name = call.hub.git(call.repository), call.path["branch"]
    sha = git.head(name)
    if sha is None:
        raise ApiError(404, "Branch not found")
    short = _branch(call, name, sha)
    page = f"{call.hub.base_url}/{call.repository.full_name}/tree/{name}"
    return {
        **short,
        "commit": git_shapes.commit(call.hub, call.repository, git_objects.read_commit(git, sha)),
        "_links": {"html": page, "self": short["commit"]["url"].replace(f"commits/{sha}", f"branches/{name}")},
        "protection": {
            "enabled": False,
            "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
        },
        "protection_url": short["commit"]["url"].replace(f"commits/{sha}", f"branches/{name}/protection"),
    }


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
def compare(call: Call) -> Any:
    git = call.hub.git(call.repository)
    names = call.path["basehead"].split("...")
    shas = [git.resolve(name) for name in names]
    if len(shas) != 2 or shas[0] is None or shas[1] is None:  # noqa: PLR2004 - base and head
        raise not_found()
    base, head = shas[0], shas[1]
    try:
        fork = git.text("merge-base", base, head)
    except GitError:
        raise ApiError(404, f"No common ancestor between {names[0]} and {names[1]}.") from None
    ahead = git.text("rev-list", "--reverse", f"{base}..{head}").splitlines()
    behind = int(git.text("rev-list", "--count", f"{head}..{base}"))
    url = f"{call.hub.api_url}/repos/{call.repository.full_name}/compare/{call.path['basehead']}"
    page = f"{call.hub.base_url}/{call.repository.full_name}/compare/{call.path['basehead']}"
    status = "diverged" if ahead and behind else "ahead" if ahead else "behind" if behind else "identical"
    return {
        "url": url,
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": _commit(call, base),
        "merge_base_commit": _commit(call, fork),
        "status": status,
        "ahead_by": len(ahead),
        "behind_by": behind,
        "total_commits": len(ahead),
        "commits": [_commit(call, sha) for sha in ahead[:MOST_COMMITS]],
        "files": _files(call, fork, head),
    }


def _commit(call: Call, sha: str) -> dict[str, Any]:
    return git_shapes.commit(call.hub, call.repository, git_objects.read_commit(call.hub.git(call.repository), sha))


def _branch(call: Call, name: str, sha: str) -> dict[str, Any]:
    url = f"{call.hub.api_url}/repos/{call.repository.full_name}/commits/{sha}"
    return {"name": name, "commit": {"sha": sha, "url": url}, "protected": False}


def _files(call: Call, *revisions: str) -> list[dict[str, Any]]:
    """Return what changed between two revisions, or in one commit."""
    git, head = call.hub.git(call.repository), revisions[-1]
    options = ("-r", "-z", "--no-commit-id", "--no-renames")
    raw = git.run("diff-tree", *options, "--raw", "--no-abbrev", *revisions).decode(errors="replace").split("\0")
    counts = git.run("diff-tree", *options, "--numstat", *revisions).decode(errors="replace").split("\0")
    lines = {path: (added, removed) for added, removed, path in (item.split("\t", 2) for item in counts if item)}
    return [
        _changed(call, head, details.split(), path, lines.get(path, ("0", "0")))
        for details, path in list(zip(raw[::2], raw[1::2], strict=False))[:MOST_FILES]
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
