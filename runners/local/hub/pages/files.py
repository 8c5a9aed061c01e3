"""The files of a repository: folders, rendered files, and raw content that cannot do harm."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from runners.local.hub.errors import not_found
from runners.local.hub.git.repository import GitRepository
from runners.local.hub.pages.frame import Visit
from runners.local.hub.pages.markdown import LinkBase, render_markdown

IMAGES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
MARKDOWN: Final = (".md", ".markdown")
MAX_SHOWN_BYTES: Final = 1_000_000
RAW_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_SHA = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class FileLocation:
    """A path at a branch, tag or commit of a repository."""

    git: GitRepository
    full_name: str
    ref: str
    commit: str
    path: str

    def address(self, view: str, path: str | None = None) -> str:
        """Return where a path is shown as ``tree``, ``blob`` or ``raw``; without a path, this location's own."""
        shown = self.path if path is None else path
        return f"/{self.full_name}/{view}/{quote(self.ref)}" + (f"/{quote(shown)}" if shown else "")

    @cached_property
    def content(self) -> bytes | None:
        """The file's bytes; None where no file is here."""
        return self.git.read(self.commit, self.path) if self.path else None

    @cached_property
    def entries(self) -> list[Entry] | None:
        """What the folder holds, folders first; None where no folder is here."""
        if self.git.look(self.commit, self.path)[0] != "tree":
            return None
        lines = (
            self.git.run("ls-tree", "-z", "--long", f"{self.commit}:{self.path}").decode(errors="replace").split("\0")
        )
        return sorted((_entry(line) for line in lines if line), key=lambda entry: (not entry.folder, entry.name))

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """The folders above, with where they are shown."""
        parts = PurePosixPath(self.path).parts
        return [(name, self.address("tree", "/".join(parts[: at + 1]))) for at, name in enumerate(parts[:-1])]

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def kind(self) -> str:
        """The file's ending, in small letters."""
        return PurePosixPath(self.path).suffix.lower()

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.path).parent).removeprefix(".")

    def join(self, name: str) -> str:
        """Return the path of something in this folder."""
        return f"{self.path}/{name}" if self.path else name


@dataclass(frozen=True)
class Entry:
    """One line of a folder."""

    name: str
    folder: bool
    size: int


@dataclass(frozen=True)
class Commit:
    """What a commit says about itself."""

    sha: str
    author: str
    when: str
    message: str

    @property
    def title(self) -> str:
        return self.message.partition("\n")[0]


def home(visit: Visit) -> Response:
    """Show the repository: its default branch's files and README."""
    git = visit.hub.git(visit.repository)
    branch = visit.repository.default_branch
    commit = git.head(branch)
    if commit is None:
        return visit.in_repository("empty.html", "code")
    return _folder(visit, FileLocation(git, visit.repository.full_name, branch, commit, ""))


def tree(visit: Visit) -> Response:
    """Show a folder."""
    return _folder(visit, _find(visit))


def blob(visit: Visit) -> Response:
    """Show a file: Markdown rendered, images as images, other text with line numbers."""
    location = _find(visit)
    if location.content is None:
        return visit.redirect(location.address("tree")) if location.entries is not None else _nothing()
    if visit.request.query_params.get("raw"):
        return visit.redirect(location.address("raw"))
    plain = visit.request.query_params.get("plain") == "1"
    text = _text(location.content)
    rendered = None
    if text is not None and location.kind in MARKDOWN and not plain:
        rendered = render_markdown(text, _link_base(visit, location))
    lines = text.removesuffix("\n").split("\n") if text is not None and rendered is None else None
    return visit.in_repository(
        "file.html",
        "code",
        location=location,
        rendered=rendered,
        lines=lines,
        image=location.kind in IMAGES,
        markdown=location.kind in MARKDOWN,
        commit=_last_commit(location),
    )


def raw(visit: Visit) -> Response:
    """Serve a file's bytes: images as themselves, everything else as plain text or a download."""
    location = _find(visit)
    if location.content is None:
        return _nothing()
    kind = IMAGES.get(location.kind)
    if kind is None:
        kind = "application/octet-stream" if _text(location.content) is None else "text/plain; charset=utf-8"
    # What a commit holds never changes; what a branch holds is asked for each time.
    cache = "private, max-age=3600" if location.ref == location.commit else "no-cache"
    return Response(location.content, headers={**RAW_HEADERS, "Content-Type": kind, "Cache-Control": cache})


def commit(visit: Visit) -> Response:
    """Show a commit: its message and the files that it changed."""
    git = visit.hub.git(visit.repository)
    given = str(visit.request.path_params["sha"])
    sha = git.resolve(given) if _SHA.fullmatch(given) else None
    if sha is None:
        return _nothing()
    location = FileLocation(git, visit.repository.full_name, sha, sha, "")
    names = git.run("diff-tree", "-z", "--root", "-r", "--no-commit-id", "--name-status", sha).decode(errors="replace")
    parts = names.split("\0")
    changes = list(zip(parts[::2], parts[1::2], strict=False))
    return visit.in_repository("commit.html", "code", location=location, commit=_last_commit(location), changes=changes)


def _folder(visit: Visit, location: FileLocation) -> Response:
    if location.entries is None:
        return visit.redirect(location.address("blob")) if location.content is not None else _nothing()
    names = [
        entry.name for entry in location.entries if not entry.folder and entry.name.lower() in ("readme.md", "index.md")
    ]
    readme = None
    if names:
        page = FileLocation(location.git, location.full_name, location.ref, location.commit, location.join(names[-1]))
        text = _text(page.content or b"")
        readme = (page.name, render_markdown(text, _link_base(visit, page))) if text is not None else None
    branches = sorted(name.removeprefix("refs/heads/") for name in location.git.refs("refs/heads"))
    return visit.in_repository(
        "tree.html", "code", location=location, readme=readme, branches=branches, commit=_last_commit(location)
    )


def _find(visit: Visit) -> FileLocation:
    """Return the location of an address; a branch's name may hold slashes, so the longest branch or tag that fits counts."""
    git = visit.hub.git(visit.repository)
    parts = str(visit.request.path_params["rest"]).strip("/").split("/")
    names = {name.split("/", 2)[2]: name for name in (*git.refs("refs/tags"), *git.refs("refs/heads"))}
    for count in range(len(parts), 0, -1):
        ref = "/".join(parts[:count])
        revision = names.get(ref) or (ref if count == 1 and _SHA.fullmatch(ref) else None)
        found = git.resolve(revision) if revision else None
        if found:
            return FileLocation(git, visit.repository.full_name, ref, found, "/".join(parts[count:]))
    raise not_found()


def _nothing() -> Response:
    raise not_found()


def _link_base(visit: Visit, location: FileLocation) -> LinkBase:
    return LinkBase(location.full_name, location.ref, location.folder, visit.hub.base_url)


def _text(content: bytes) -> str | None:
    """Return a file's text; None where it is none, or too much of it."""
    if len(content) > MAX_SHOWN_BYTES or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _entry(line: str) -> Entry:
    """Read one line of ``git ls-tree --long``: mode, type, SHA, size, a tab, the name."""
    facts, _, name = line.partition("\t")
    _, kind, _, size = facts.split()
    return Entry(name, kind == "tree", int(size) if size.isdecimal() else 0)


def _last_commit(location: FileLocation) -> Commit:
    path = ["--", location.path] if location.path else []
    found = location.git.text(
        "--literal-pathspecs", "log", "-1", "--format=%H%x00%an%x00%cI%x00%B", location.commit, *path
    )
    sha, author, when, message = found.split("\0", 3)
    return Commit(sha, author, when, message.strip())
