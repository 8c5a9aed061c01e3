"""Reading and writing git objects of a bare repository: blobs, trees, commits, and moving refs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from runners.local.hub.git.repository import GitError, GitRepository

SHA = re.compile(r"[0-9a-f]{40}")
NOTHING = "0" * 40
Kind = Literal["blob", "tree", "commit"]


@dataclass(frozen=True)
class Signature:
    """Who wrote a commit, and when (Unix seconds, offset such as ``+0000``)."""

    name: str
    email: str
    seconds: int
    zone: str = "+0000"

    @property
    def date(self) -> str:
        """The time as GitHub writes it."""
        return datetime.fromtimestamp(self.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def line(self) -> str:
        """The signature as in a commit; characters that would break the line are removed."""
        name, email = (re.sub(r"[<>\x00-\x1f]", "", text).strip() for text in (self.name, self.email))
        return f"{name} <{email}> {self.seconds} {self.zone}"

    @classmethod
    def read(cls, line: str) -> Signature:
        """Parse the line of a commit."""
        name, _, rest = line.partition(" <")
        email, _, times = rest.rpartition("> ")
        seconds, _, zone = times.partition(" ")
        return cls(name, email, int(seconds or 0), zone or "+0000")


@dataclass(frozen=True)
class Commit:
    """A commit, read."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


@dataclass(frozen=True)
class Entry:
    """A tree entry; ``sha`` None removes the path when a tree is based on another."""

    path: str
    mode: str
    kind: Kind
    sha: str | None
    size: int | None = None


def kind_of(git: GitRepository, sha: str) -> str | None:
    """Return the kind of the object with this SHA, or None."""
    try:
        return git.text("cat-file", "-t", sha) if SHA.fullmatch(sha) else None
    except GitError:
        return None


def write_blob(git: GitRepository, content: bytes) -> str:
    """Store a file's content and return its SHA."""
    return git.text("hash-object", "-w", "--stdin", data=content)


def read_tree(git: GitRepository, tree: str, *, recursive: bool = False, path: str | None = None) -> list[Entry]:
    """Return the entries of a tree: recursively including folders, as GitHub lists them, or only that of a path."""
    options = ("-r", "-t") if recursive else ()
    chosen = ("--", path) if path is not None else ()
    output = git.run("ls-tree", "-z", "--long", "--full-tree", *options, tree, *chosen)
    lines = output.decode(errors="replace").split("\0")
    return [_entry(line) for line in lines if line]


def write_tree(git: GitRepository, entries: Sequence[Entry], base: str | None = None) -> str:
    """Store a tree based on another one (or empty) with these changes; return its SHA.

    Raises
    ------
    GitError
        If an object does not exist or git refuses a path.
    """
    with tempfile.TemporaryDirectory(prefix="hub-index-") as folder:
        # `read-tree --prefix` requires a work tree, though nothing is written there.
        environment = {"GIT_INDEX_FILE": str(Path(folder) / "index"), "GIT_WORK_TREE": folder}
        if base is not None:
            git.run("read-tree", base, environment=environment)
        plain = [entry for entry in entries if entry.kind != "tree" and entry.sha is not None]
        for entry in entries:
            if entry.sha is None or entry.kind == "tree":
                _remove(git, entry.path, environment)
            if entry.sha is not None and entry.kind == "tree":
                git.run("read-tree", f"--prefix={entry.path}/", entry.sha, environment=environment)
        lines = "".join(f"{entry.mode} {entry.sha}\t{entry.path}\0" for entry in plain)
        git.run("update-index", "--replace", "-z", "--index-info", data=lines.encode(), environment=environment)
        return git.text("write-tree", environment=environment)


def read_commit(git: GitRepository, sha: str) -> Commit:
    """Read a commit."""
    text = git.run("cat-file", "commit", sha).decode(errors="replace")
    head, _, message = text.partition("\n\n")
    fields = [line.split(" ", 1) for line in head.splitlines() if not line.startswith(" ")]
    one = dict(reversed(fields))
    parents = tuple(value for name, value in fields if name == "parent")
    return Commit(
        sha, one["tree"], parents, Signature.read(one["author"]), Signature.read(one["committer"]), message.rstrip("\n")
    )


def write_commit(
    git: GitRepository, tree: str, parents: Sequence[str], message: str, author: Signature, committer: Signature
) -> str:
    """Store a commit, exactly as given, and return its SHA."""
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {author.line()}", f"committer {committer.line()}"]
    body = "\n".join(lines) + "\n\n" + message.replace("\0", "")
    return git.text("hash-object", "-t", "commit", "-w", "--stdin", data=body.encode())


def move(git: GitRepository, ref: str, new: str | None, old: str | None) -> bool:
    """Move a ref from ``old`` to ``new`` (None: absent); False if it has moved meanwhile."""
    change = ("-d", ref, old or NOTHING) if new is None else (ref, new, old or NOTHING)
    try:
        git.run("update-ref", *change)
    except GitError:
        return False
    return True


def is_ancestor(git: GitRepository, older: str, newer: str) -> bool:
    """Tell whether a commit is an ancestor of another."""
    try:
        git.run("merge-base", "--is-ancestor", older, newer)
    except GitError:
        return False
    return True


def merge_base(git: GitRepository, one: str, other: str) -> str | None:
    """Return the merge base of two commits."""
    try:
        return git.text("merge-base", one, other)
    except GitError:
        return None


def is_ref_name(git: GitRepository, ref: str) -> bool:
    """Tell whether git accepts this as a full ref name."""
    try:
        git.run("check-ref-format", ref)
    except GitError:
        return False
    return ref.startswith("refs/")


def history(git: GitRepository, *selection: str, limit: int = -1) -> Iterator[Commit]:
    """Return the commits that ``git rev-list`` selects, newest first."""
    for sha in git.text("rev-list", f"--max-count={limit}", *selection).splitlines():
        yield read_commit(git, sha)


def _entry(line: str) -> Entry:
    details, _, path = line.partition("\t")
    mode, kind, sha, size = details.split()
    kinds: Mapping[str, Kind] = {"blob": "blob", "tree": "tree", "commit": "commit"}
    return Entry(path, mode, kinds[kind], sha, None if size == "-" else int(size))


def _remove(git: GitRepository, path: str, environment: Mapping[str, str]) -> None:
    """Remove a file or folder from the index."""
    found = git.run("ls-files", "-z", "--", f":(literal){path}", environment=environment)
    lines = b"".join(b"0 " + NOTHING.encode() + b"\t" + name + b"\0" for name in found.split(b"\0") if name)
    git.run("update-index", "-z", "--index-info", data=lines, environment=environment)
