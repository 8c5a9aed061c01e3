"""Serves Modelyard's own source as a repository of the local hub, so that workflows can pin a commit of it.

A clean checkout is served as it is, under HEAD's SHA. A changed one is served as a snapshot commit on top of HEAD, made
from the files as they are, so a SHA in a lineage file always identifies exactly the code that ran.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from actions.runtime.git import isolated

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

FULL_NAME = "modelyard/modelyard"
ROOT = Path(__file__).resolve().parents[3]
IDENTITY = {
    # Fixed, so that the same files on the same commit produce the same snapshot.
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "modelyard"), ("EMAIL", "modelyard@localhost"), ("DATE", "2000-01-01T00:00:00Z"))
}


class SourceError(Exception):
    """Modelyard's source cannot be served; the message says why and what to do."""


@dataclass(frozen=True)
class Source:
    """The served source: callers pin ``sha``; ``changed`` lists the files that differ from HEAD."""

    repository: str
    sha: str
    head: str
    changed: tuple[str, ...]

    @property
    def dirty(self) -> bool:
        return bool(self.changed)


def serve(hub: Hub, root: Path = ROOT) -> Source:
    """Publish the working tree at ``root`` as the hub's repository ``modelyard/modelyard``.

    Raises
    ------
    SourceError
        If ``root`` is not a git checkout.
    """
    repository = hub.repository(FULL_NAME) or hub.create_repository(
        FULL_NAME, private=False, description="The source of the running Modelyard."
    )
    source = snapshot(hub.git(repository).path, root)
    hub.git(repository).run("update-ref", f"refs/heads/{repository.default_branch}", source.sha)
    return source


def snapshot(bare: Path, root: Path = ROOT) -> Source:
    """Copy the working tree's commit into a bare repository; the checkout's index and objects are not changed."""
    with tempfile.TemporaryDirectory() as scratch:
        git = _Git(root, bare, Path(scratch))
        head = git.run("rev-parse", "--verify", "HEAD^{commit}")
        # A shallow clone has no older commits; git must be told that this is fine.
        git.run("fetch", "--quiet", "--no-tags", "--update-shallow", str(root.resolve()), "HEAD", into_bare=True)
        changed = _changed(git)
        return Source(FULL_NAME, git.commit(head) if changed else head, head, changed)


class _Git:
    """Runs git on a checkout and writes new objects into a bare repository."""

    def __init__(self, root: Path, bare: Path, scratch: Path) -> None:
        self._root = root.resolve()
        self._bare = bare.resolve()
        self._scratch = scratch
        settings = scratch / "gitconfig"
        # The checkout may belong to another user, for example when root runs this in a container.
        settings.write_text("[safe]\n\tdirectory = *\n", encoding="utf-8")
        inherited = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(scratch), "LC_ALL": "C.UTF-8"}
        self._environment = {**isolated(inherited, str(settings)), "GIT_OPTIONAL_LOCKS": "0"}

    def run(self, *arguments: str, into_bare: bool = False, environment: dict[str, str] | None = None) -> str:
        where = ["--git-dir", str(self._bare)] if into_bare else ["-C", str(self._root)]
        command = ["git", *where, *arguments]
        environment = {**self._environment, **(environment or {})}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        except FileNotFoundError:
            raise SourceError("git is not installed. Install it (Debian and Ubuntu: apt-get install git).") from None
        except subprocess.CalledProcessError as error:
            raise SourceError(
                f"Modelyard's source at {self._root} must be a git checkout with at least one commit, because runs "
                f"name the commit that they ran on. Git says: {error.stderr.strip()}"
            ) from None
        return done.stdout.rstrip("\n")

    def commit(self, head: str) -> str:
        """Commit the files as they are (tracked and untracked, not ignored) on top of ``head``."""
        # The checkout's own index and objects stay out of it: what is staged there would be taken for present here.
        aside = {
            "GIT_INDEX_FILE": str(self._scratch / "index"),
            "GIT_OBJECT_DIRECTORY": str(self._bare / "objects"),
            **IDENTITY,
        }
        self.run("read-tree", head, environment=aside)
        self.run("add", "--all", environment=aside)
        tree = self.run("write-tree", environment=aside)
        message = "Snapshot of a working tree with changes"
        return self.run("commit-tree", tree, "-p", head, "-m", message, environment=aside)


def _changed(git: _Git) -> tuple[str, ...]:
    entries = git.run("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all").split("\0")
    return tuple(sorted(entry[3:] for entry in entries if entry))
