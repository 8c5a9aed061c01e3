"""The history branch of a local git repository, read and written with git commands."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from actions.context import Reader
from actions.errors import Conflict, InvalidInput, NotFound, OperationError, Unavailable
from actions.history_management.taken_paths import refuse_taken, with_parents
from actions.runtime.git import NO_PROGRAMS

MAX_TRIES = 20
"""How often a commit is recomputed because another process moved the branch first."""

_UNBORN = "0" * 40
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Modelyard",
    "GIT_AUTHOR_EMAIL": "modelyard@localhost",
    "GIT_COMMITTER_NAME": "Modelyard",
    "GIT_COMMITTER_EMAIL": "modelyard@localhost",
}


class GitFailed(Exception):
    """A git command failed; the caller decides whether that is an error."""


@dataclass(frozen=True)
class LocalHistory:
    """One branch of a local repository, bare or with a work tree.

    Parameters
    ----------
    folder
        The top of the work tree, or the bare repository.
    branch
        The full name of the branch, such as ``refs/heads/main``.
    work_tree
        Whether the branch is checked out in ``folder``. If so, a commit also updates the files there.
    """

    folder: Path
    branch: str
    work_tree: bool

    @classmethod
    def find(cls, folder: Path) -> LocalHistory | None:
        """Return the repository that contains a folder, or None if there is none or no branch is checked out."""
        try:
            return cls.at(folder)
        except OperationError:
            return None

    @classmethod
    def at(cls, folder: Path) -> LocalHistory:
        """Return the repository that contains a folder.

        Raises
        ------
        Unavailable
            ``no_git_repository``, ``no_branch``.
        """
        try:
            bare = _git(folder, "rev-parse", "--is-bare-repository").strip() == b"true"
            top = _git(folder, "rev-parse", "--absolute-git-dir" if bare else "--show-toplevel").decode().strip()
        except (GitFailed, FileNotFoundError, NotADirectoryError) as error:
            raise Unavailable(
                "no_git_repository",
                rule="The history must be in a git repository.",
                found=f"{folder}: {error}.",
                next_step="Pass the folder of a git checkout with --repository.",
            ) from None
        try:
            branch = _git(Path(top), "symbolic-ref", "--quiet", "HEAD").decode().strip()
        except GitFailed:
            raise Unavailable(
                "no_branch",
                rule="A branch must be checked out, because commits go to it.",
                found=f"{top} has no branch checked out.",
                next_step="Check out a branch: git switch BRANCH.",
            ) from None
        return cls(Path(top), branch, work_tree=not bare)

    def head(self) -> str | None:
        """Return the SHA of the branch's last commit, or None if it has none."""
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{self.branch}^{{commit}}").decode().strip()
        except GitFailed:
            return None

    def read(self, path: str) -> bytes | None:
        """Return the content of a file at the branch's head, or None if there is no such file."""
        return self._read_at(self.head(), path)

    def list(self, folder: str) -> list[str]:
        """Return the sorted paths of the files directly in a folder; [] if there is no such folder."""
        head = self.head()
        if head is None:
            return []
        try:
            listed = self._git("ls-tree", "-z", f"{head}:{_safe(folder.strip('/'))}").decode()
        except GitFailed:
            return []
        entries = [entry.split("\t", 1) for entry in listed.split("\0") if entry]
        return sorted(f"{folder.strip('/')}/{name}" for attributes, name in entries if attributes.split()[1] == "blob")

    def read_on(self, path: str, moment: datetime) -> bytes | None:
        """Return a file's content on the branch at a moment, or None if there was no such file.

        Raises
        ------
        NotFound
            ``no_history_then``: the branch is younger.
        """
        head = self.head()
        listed = head and self._git("rev-list", "-1", f"--before={moment.isoformat()}", "--first-parent", head)
        sha = listed.decode().strip() if isinstance(listed, bytes) else ""
        if not sha:
            raise NotFound(
                "no_history_then",
                rule="The branch must have a commit from before that moment.",
                found=f"no commit of {self.branch} is as old as {moment.isoformat()}.",
                next_step="Choose a later date.",
            )
        return self._read_at(sha, path)

    def commit(self, message: str, change: Callable[[Reader], Mapping[str, bytes | None]]) -> str:
        """Commit the files that ``change`` computes from the current ones (None removes a file); return the commit's
        SHA.

        The branch moves only from the commit that ``change`` was computed on; otherwise everything is recomputed. If
        the branch is checked out, its files are updated; files with local changes are never overwritten.

        Returns
        -------
        str
            The new commit, or the head if nothing changes.

        Raises
        ------
        Conflict
            ``branch_busy``, ``history_path_taken``, ``local_changes``, ``work_tree_left_behind``.
        InvalidInput
            ``nothing_to_commit``.
        """
        with self._exclusive():
            return self._commit(message, change)

    def _commit(self, message: str, change: Callable[[Reader], Mapping[str, bytes | None]]) -> str:
        for _ in range(MAX_TRIES):
            old = self.head()
            files = {_safe(path): content for path, content in change(partial(self._read_at, old)).items()}
            changed = {path: content for path, content in files.items() if content != self._read_at(old, path)}
            if not changed:
                if old is not None:
                    return old
                raise InvalidInput(
                    "nothing_to_commit",
                    rule="A repository's first commit must contain a file.",
                    found="no files.",
                    next_step="Commit something to the repository first.",
                )
            refuse_taken(changed, self._modes(old, changed))
            new = self._write(old, message, changed)
            self._refuse_to_overwrite(old, new)
            if self._move(old, new):
                self._update_work_tree(old, new)
                return new
        raise Conflict(
            "branch_busy",
            rule="The branch must not move while a commit is made.",
            found=f"{self.branch} moved {MAX_TRIES} times meanwhile.",
            next_step="Try again.",
        )

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Let one process at a time commit, so that none sees a work tree that is still being updated."""
        common = self.folder / self._git("rev-parse", "--git-common-dir").decode().strip()
        with (common / "modelyard.lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read_at(self, commit: str | None, path: str) -> bytes | None:
        if commit is None:
            return None
        try:
            return self._git("cat-file", "blob", f"{commit}:{_safe(path)}")
        except GitFailed:
            return None

    def _modes(self, commit: str | None, paths: Iterable[str]) -> dict[str, str]:
        """Return git's modes of what a commit has at some paths and above them."""
        if commit is None:
            return {}
        places = {place for path in paths for place in with_parents(path)}
        listed = self._git("--literal-pathspecs", "ls-tree", "-t", "-z", commit, "--", *sorted(places)).decode()
        entries = [entry.split("\t", 1) for entry in listed.split("\0") if entry]
        return {place: attributes.split()[0] for attributes, place in entries}

    def _write(self, old: str | None, message: str, changed: Mapping[str, bytes | None]) -> str:
        """Write blobs, a tree and a commit, without a reference to them."""
        with tempfile.TemporaryDirectory(prefix="modelyard-index-") as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if old:
                self._git("read-tree", old, env=index)
            lines = [self._index_line(path, content) for path, content in sorted(changed.items())]
            self._git("update-index", "-z", "--index-info", stdin="".join(lines).encode(), env=index)
            tree = self._git("write-tree", env=index).decode().strip()
        parents = ["-p", old] if old else []
        return self._git("commit-tree", tree, *parents, stdin=message.encode(), env=self._identity()).decode().strip()

    def _index_line(self, path: str, content: bytes | None) -> str:
        if content is None:
            return f"0 {_UNBORN}\t{path}\0"
        blob = self._git("hash-object", "-w", "--stdin", stdin=content).decode().strip()
        return f"100644 {blob}\t{path}\0"

    def _identity(self) -> dict[str, str]:
        """Return an identity for the commit if git has none configured."""
        try:
            self._git("var", "GIT_AUTHOR_IDENT")
            self._git("var", "GIT_COMMITTER_IDENT")
        except GitFailed:
            return _IDENTITY
        return {}

    def _move(self, old: str | None, new: str) -> bool:
        """Point the branch at the new commit if it still points at the old one."""
        try:
            self._git("update-ref", "-m", "commit: modelyard", self.branch, new, old or _UNBORN)
        except GitFailed:
            if self.head() == old:  # then the update failed for another reason than a moved branch
                raise
            return False
        return True

    def _refuse_to_overwrite(self, old: str | None, new: str) -> None:
        if not self.work_tree:
            return
        try:
            self._switch(old, new, "--dry-run")
        except GitFailed as error:
            if self.head() != old:
                return  # the branch has moved: the next attempt checks again
            raise Conflict(
                "local_changes",
                rule="Files with local changes must not be overwritten.",
                found=f"{error}.",
                next_step="Commit or stash these changes, then try again.",
            ) from None

    def _update_work_tree(self, old: str | None, new: str) -> None:
        """Update the index and the files of the work tree from the old commit to the new one."""
        if not self.work_tree:
            return
        try:
            self._switch(old, new)
        except GitFailed as error:
            raise Conflict(
                "work_tree_left_behind",
                rule="The files of the work tree must be updated after a commit.",
                found=f"{new} was committed, but: {error}.",
                next_step=f"Check git status in {self.folder}.",
            ) from None

    def _switch(self, old: str | None, new: str, *options: str) -> None:
        """Keep local changes the way git does when it switches branches."""
        with suppress(GitFailed):  # it fails on files with local changes; read-tree decides whether they are in the way
            self._git("update-index", "-q", "--refresh")
        self._git("read-tree", *options, "-m", "-u", old or self._empty_tree(), new)

    def _empty_tree(self) -> str:
        return self._git("hash-object", "-t", "tree", "-w", "--stdin").decode().strip()

    def _git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        return _git(self.folder, *arguments, stdin=stdin, env=env)


def _safe(path: str) -> str:
    """Return a path after checking that it is below the top of a repository and outside git's own folder."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts):
        raise ValueError(f"not the path of a file in a repository: {path!r}")
    return path


def _git(folder: Path, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
    """Run git in a folder with the user's configuration, but without hooks.

    Variables that point to another repository, which git sets for hooks, are ignored.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key in _IDENTITY}
    completed = subprocess.run(
        ["git", *NO_PROGRAMS, *arguments],
        cwd=folder,
        input=stdin,
        env={**inherited, "LC_ALL": "C", **(env or {})},
        capture_output=True,
        check=False,
        timeout=60,
    )
    if completed.returncode:
        message = completed.stderr.decode(errors="replace").strip()
        raise GitFailed(message or f"git {arguments[0]} exited with {completed.returncode}")
    return completed.stdout
