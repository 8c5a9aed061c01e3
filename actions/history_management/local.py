"""The history branch of a local git repository, read and written with plain git commands."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from actions.context import Reader
from actions.errors import Conflict, InvalidInput, NotFound, OperationError, Unavailable

TRIES = 20
"""How often a commit is computed again because another one was faster."""

_UNBORN = "0" * 40
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Modelyard",
    "GIT_AUTHOR_EMAIL": "modelyard@localhost",
    "GIT_COMMITTER_NAME": "Modelyard",
    "GIT_COMMITTER_EMAIL": "modelyard@localhost",
}


class GitFailed(Exception):
    """A git command ended with an error that its caller may know how to take."""


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
        Whether the branch is the one that is checked out in ``folder``: then a commit brings the files along.
    """

    folder: Path
    branch: str
    work_tree: bool

    @classmethod
    def find(cls, folder: Path) -> LocalHistory | None:
        """Return the repository around a folder, or None where there is none with a branch checked out."""
        try:
            return cls.at(folder)
        except OperationError:
            return None

    @classmethod
    def at(cls, folder: Path) -> LocalHistory:
        """Return the repository around a folder.

        Raises
        ------
        Unavailable
            Where git or a repository is missing, or no branch is checked out.
        """
        try:
            bare = _git(folder, "rev-parse", "--is-bare-repository").strip() == b"true"
            top = _git(folder, "rev-parse", "--absolute-git-dir" if bare else "--show-toplevel").decode().strip()
        except (GitFailed, FileNotFoundError, NotADirectoryError) as error:
            raise Unavailable(
                "no_git_repository",
                rule="The history lies in a git repository.",
                found=f"{folder}: {error}",
                next_step="Name the folder of a git checkout with --repository.",
            ) from None
        try:
            branch = _git(Path(top), "symbolic-ref", "--quiet", "HEAD").decode().strip()
        except GitFailed:
            raise Unavailable(
                "no_branch",
                rule="Commits go to the branch that is checked out.",
                found=f"{top} has no branch checked out.",
                next_step="Check a branch out: git switch BRANCH.",
            ) from None
        return cls(Path(top), branch, work_tree=not bare)

    def head(self) -> str | None:
        """Return the SHA of the branch's last commit, or None before the first."""
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{self.branch}^{{commit}}").decode().strip()
        except GitFailed:
            return None

    def read(self, path: str) -> bytes | None:
        """Return the content of a file of the branch's head, or None where there is none."""
        return self._read_at(self.head(), path)

    def list(self, folder: str) -> list[str]:
        """Return the paths of the files directly in a folder, sorted; [] where there is none."""
        head = self.head()
        if head is None:
            return []
        try:
            listed = self._git("ls-tree", "-z", f"{head}:{_safe(folder.strip('/'))}").decode()
        except GitFailed:
            return []
        entries = [entry.split("\t", 1) for entry in listed.split("\0") if entry]
        return sorted(f"{folder.strip('/')}/{name}" for about, name in entries if about.split()[1] == "blob")

    def read_on(self, path: str, moment: datetime) -> bytes | None:
        """Return a file's content as the branch had it at a moment.

        Raises
        ------
        NotFound
            With reason ``no_history_then`` where the branch is younger.
        """
        head = self.head()
        found = head and self._git("rev-list", "-1", f"--before={moment.isoformat()}", "--first-parent", head)
        sha = found.decode().strip() if isinstance(found, bytes) else ""
        if not sha:
            raise NotFound(
                "no_history_then",
                rule="Only what the branch held at that moment can be told.",
                found=f"no commit of {self.branch} is as old as {moment.isoformat()}",
                next_step="Ask for a later date.",
            )
        return self._read_at(sha, path)

    def commit(self, message: str, change: Callable[[Reader], Mapping[str, bytes | None]]) -> str:
        """Commit what ``change`` makes of the present files (None removes one) and return the commit's SHA.

        The branch moves only from the commit that ``change`` was computed on; else all is computed again. Where the
        branch is checked out, its work tree follows; a file with local changes is never overwritten.

        Returns
        -------
        str
            The new commit, or the head where nothing changes.
        """
        with self._alone():
            return self._commit(message, change)

    def _commit(self, message: str, change: Callable[[Reader], Mapping[str, bytes | None]]) -> str:
        for _ in range(TRIES):
            old = self.head()
            made = {_safe(path): content for path, content in change(partial(self._read_at, old)).items()}
            changed = {path: content for path, content in made.items() if content != self._read_at(old, path)}
            if not changed:
                if old is not None:
                    return old
                raise InvalidInput(
                    "nothing_to_commit",
                    rule="A repository's first commit needs a file.",
                    found="no file",
                    next_step="Commit something to the repository first.",
                )
            new = self._write(old, message, changed)
            self._refuse_to_overwrite(old, new)
            if self._move(old, new):
                self._bring_along(old, new)
                return new
        raise Conflict(
            "branch_busy",
            rule="A commit is made on the branch as it is.",
            found=f"{self.branch} moved {TRIES} times meanwhile.",
            next_step="Try again.",
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time commit, so that none meets a work tree that is still being brought along."""
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

    def _write(self, old: str | None, message: str, changed: Mapping[str, bytes | None]) -> str:
        """Write blobs, tree and commit; nothing refers to them yet."""
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
        """Return an identity for the commit where git knows none."""
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
            if self.head() == old:  # it was not that somebody else moved it
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
                return  # the next try sees what is there now
            raise Conflict(
                "local_changes",
                rule="Files with local changes are not overwritten.",
                found=str(error),
                next_step="Commit these changes or put them aside, then try again.",
            ) from None

    def _bring_along(self, old: str | None, new: str) -> None:
        """Bring index and files of the work tree from the old commit to the new one."""
        if not self.work_tree:
            return
        try:
            self._switch(old, new)
        except GitFailed as error:
            raise Conflict(
                "work_tree_left_behind",
                rule="The files of the work tree follow the commit.",
                found=f"{new} was committed, but: {error}",
                next_step=f"Look at git status in {self.folder}.",
            ) from None

    def _switch(self, old: str | None, new: str, *options: str) -> None:
        """Let git itself carry local changes over, as it does when it switches branches."""
        with suppress(GitFailed):  # it minds files with local changes; read-tree decides whether they are in the way
            self._git("update-index", "-q", "--refresh")
        self._git("read-tree", *options, "-m", "-u", old or self._empty_tree(), new)

    def _empty_tree(self) -> str:
        return self._git("hash-object", "-t", "tree", "-w", "--stdin").decode().strip()

    def _git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        return _git(self.folder, *arguments, stdin=stdin, env=env)


def _safe(path: str) -> str:
    """Return a path that names a file below the top of a repository, and outside of git's own folder."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts):
        raise ValueError(f"not the path of a file in a repository: {path!r}")
    return path


def _git(folder: Path, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
    """Run git in a folder, untouched by variables that name another repository (as hooks have them)."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key in _IDENTITY}
    ran = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        input=stdin,
        env={**inherited, "LC_ALL": "C", **(env or {})},
        capture_output=True,
        check=False,
        timeout=60,
    )
    if ran.returncode:
        raise GitFailed(
            ran.stderr.decode(errors="replace").strip() or f"git {arguments[0]} ended with {ran.returncode}"
        )
    return ran.stdout
