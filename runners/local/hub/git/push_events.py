"""The ``push`` event: branches and tags moved through git or REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runners.local.hub.git import objects
from runners.local.hub.git.objects import NOTHING
from runners.local.hub.git.repository import GitRepository
from runners.local.hub.permissions import Actor
from runners.local.hub.records import Repository, now
from runners.local.hub.rest import git_shapes

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

TOLD = ("refs/heads/", "refs/tags/")
MAX_COMMITS = 20


def tell(hub: Hub, actor: Actor, repository: Repository, ref: str, before: str | None, after: str | None) -> None:
    """Emit the event of one moved ref; refs outside heads and tags emit none."""
    if before == after or not ref.startswith(TOLD):
        return
    commits = _commits(hub, repository, before, after)
    page = f"{hub.base_url}/{repository.full_name}"
    forced = bool(before and after) and not objects.is_ancestor(hub.git(repository), before or "", after or "")
    with hub.store.transaction():
        repository = hub.repositories.update(repository.id, pushed_at=now())
        hub.events.emit(
            "push",
            actor,
            repository=repository,
            ref=ref,
            before=before or NOTHING,
            after=after or NOTHING,
            created=before is None,
            deleted=after is None,
            forced=forced,
            base_ref=None,
            compare=f"{page}/compare/{(before or NOTHING)[:12]}...{(after or NOTHING)[:12]}",
            commits=commits,
            head_commit=commits[-1] if commits else None,
            pusher={"name": actor.account.login, "email": git_shapes.signature_of(actor).email},
        )


def changed_files(git: GitRepository, sha: str) -> dict[str, list[str]]:
    """Return the paths that a commit added (A), removed (D) and changed (M) against its first parent."""
    found: dict[str, list[str]] = {"A": [], "D": [], "M": []}
    words = git.run("diff-tree", "-r", "-z", "--root", "--no-commit-id", "--name-status", "-m", "--first-parent", sha)
    parts = words.decode(errors="replace").split("\0")
    for status, path in zip(parts[::2], parts[1::2], strict=False):
        found["M" if status not in found else status].append(path)
    return found


def _commits(hub: Hub, repository: Repository, before: str | None, after: str | None) -> list[Any]:
    """Return the new commits, oldest first; for a new branch only its head."""
    git = hub.git(repository)
    if after is None or git.resolve(after) is None:
        return []
    selection = (f"{before}..{after}",) if before else (after,)
    newest = list(objects.history(git, *selection, limit=MAX_COMMITS if before else 1))
    return [git_shapes.pushed_commit(hub, repository, item, changed_files(git, item.sha)) for item in reversed(newest)]
