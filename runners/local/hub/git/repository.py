"""A bare repository, through git commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actions.runtime.git import isolated

CONFIGURATION = str(Path(__file__).with_name("gitconfig"))
ENVIRONMENT = isolated(
    {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}, CONFIGURATION
)
SETTINGS = {
    "http.receivepack": "true",
    "receive.hideRefs": "refs/pull",
    "receive.denyDeleteCurrent": "refuse",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "core.logAllRefUpdates": "false",
    "gc.auto": "0",
}


PUSHED = "HUB_PUSHED"
"""The variable with the file into which a push writes the moved refs: old SHA, new SHA and ref per line."""

HOOK = f"""#!/bin/sh
cat >> "${{{PUSHED}:-/dev/null}}"
"""


class GitError(Exception):
    """A git command failed."""

    def __init__(self, command: tuple[str, ...], status: int, message: str) -> None:
        super().__init__(f"git {' '.join(command)} ended with {status}: {message}")
        self.message = message


@dataclass(frozen=True)
class GitRepository:
    """A bare repository on disk."""

    path: Path

    # --- the whole ---------------------------------------------------------------------------------------------------

    def create(self, default_branch: str) -> None:
        """Create the empty repository."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _git("init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}", str(self.path))
        for name, value in SETTINGS.items():
            self.run("config", name, value)
        hook = self.path / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK, encoding="ascii")
        hook.chmod(0o755)

    def import_from(self, source: Path, ref: str, branch: str) -> str:
        """Import a commit with its history from a local repository as a branch; return its SHA."""
        sha = _git("-C", str(source), "rev-parse", "--verify", f"{ref}^{{commit}}").decode().strip()
        self.run("fetch", "--quiet", "--no-tags", str(source.resolve()), f"+{sha}:refs/heads/{branch}")
        return sha

    def run(self, *arguments: str, data: bytes | None = None, environment: Mapping[str, str] | None = None) -> bytes:
        """Run git in the repository and return its output.

        Raises
        ------
        GitError
            If git fails.
        """
        return _git(f"--git-dir={self.path}", *arguments, data=data, environment=environment)

    def text(self, *arguments: str, data: bytes | None = None, environment: Mapping[str, str] | None = None) -> str:
        """Run git and return its output as text without the last line break."""
        return self.run(*arguments, data=data, environment=environment).decode(errors="replace").rstrip("\n")

    # --- refs --------------------------------------------------------------------------------------------------------

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Return the refs under a prefix (at a slash, or one ref) with the SHAs of their objects, by name."""
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)", prefix.rstrip("/") or "refs")
        return dict(line.rsplit(" ", 1) for line in lines.splitlines())

    def resolve(self, revision: str, kind: str = "commit") -> str | None:
        """Return the SHA of a branch, tag, ref or SHA, or None."""
        if revision.startswith("-") or not revision or "\0" in revision:
            return None
        try:
            return self.text("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{{kind}}}")
        except GitError:
            return None

    def head(self, branch: str) -> str | None:
        """Return the SHA of a branch's head, or None."""
        return self.resolve(f"refs/heads/{branch}")

    # --- files -------------------------------------------------------------------------------------------------------

    def read(self, revision: str, path: str) -> bytes | None:
        """Return a file's content at a revision, or None."""
        kind, content = self.look(revision, path)
        return content if kind == "blob" else None

    def look(self, revision: str, path: str) -> tuple[str, bytes]:
        """Return kind (``blob``, ``tree`` or ``missing``) and bytes of a path at a revision."""
        if {"\n", "\0"} & {*revision, *path} or path.split("/", maxsplit=1)[0] in (".", ".."):
            return "missing", b""
        # `cat-file`, because `rev-parse` would read `^{blob}` after a path as part of the path.
        head, _, content = self.run("cat-file", "--batch", data=f"{revision}:{path}\n".encode()).partition(b"\n")
        kind, size = head.decode(errors="replace").rsplit(" ", 2)[1:] if content else ("missing", "0")
        return (kind, content[: int(size)]) if kind in ("blob", "tree") else ("missing", b"")

    def folder(self, revision: str, path: str) -> str | None:
        """Return the SHA of a folder's tree at a revision, or None."""
        if {"\n", "\0"} & {*revision, *path} or path.split("/", maxsplit=1)[0] in (".", ".."):
            return None
        words = self.text("cat-file", "--batch-check", data=f"{revision}:{path}\n".encode()).rsplit(" ", 2)
        return words[0] if words[1:2] == ["tree"] else None


def _git(*arguments: str, data: bytes | None = None, environment: Mapping[str, str] | None = None) -> bytes:
    done = subprocess.run(
        ("git", *arguments),
        input=data if data is not None else b"",
        capture_output=True,
        env={**ENVIRONMENT, **(environment or {})},
        check=False,
    )
    if done.returncode != 0:
        raise GitError(arguments, done.returncode, done.stderr.decode(errors="replace").strip())
    return done.stdout
