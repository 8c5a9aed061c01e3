"""Git through GitHub's API: files, one commit for many files, published commits, refs."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from actions.context import Reader
from actions.history_management.taken_paths import FILE_MODES, FOLDER_MODE, refuse_taken, with_parents
from bot.github import errors
from bot.github import models as values
from bot.github.errors import HubError
from bot.github.models import PublishedCommit, integer, items, part, text
from bot.github.repository_part import Part, segment, several

Change = Callable[[Reader], Mapping[str, bytes | None]]
"""Computes new files from existing ones; must be pure, because it is repeated when the branch has moved. None removes a file."""

MAX_COMMIT_ATTEMPTS = 10
MAX_REMEMBERED = 20
"""Maximum of published commits cached per repository object."""
_INLINE_BYTES = 1_000_000
_JITTER = random.Random()  # noqa: S311 - no secret


@dataclass(frozen=True)
class _Head:
    """The head of a branch; without a SHA the branch does not exist yet."""

    sha: str | None
    tree: str | None


class _NotReadYet(BaseException):
    """A change needs a file that was not fetched. Not an Exception, so that a tolerant change cannot swallow it."""

    def __init__(self, path: str) -> None:
        self.path = path


class _Moved(Exception):
    """The branch has moved since it was read."""


class GitPart(Part):
    """The methods of a repository for files and refs."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._one_commit = asyncio.Lock()
        self._published: dict[str, PublishedCommit] = {}

    # --- reading -----------------------------------------------------------------------------------------------------

    async def file(self, path: str, ref: str | None = None, max_bytes: int = 100 * 1024 * 1024) -> bytes | None:
        """Read a file of a branch, tag or commit (default: the default branch); None if there is none.

        A file of more than ``max_bytes`` is an error, at the latest where GitHub leaves its content out (above 1 MB).
        """
        hub = await self._connect()
        try:
            data = await hub.get(f"{self._root}/contents/{several(path)}", ref=ref)
        except HubError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        if not isinstance(data, Mapping) or data.get("type") != "file":
            return None
        if data.get("encoding") == "base64":
            return base64.b64decode(text(data, "content"))
        # That response omits the content above 1 MB.
        return await self.blob(text(data, "sha"), max_bytes=max_bytes)

    async def folder(self, path: str, ref: str | None = None) -> list[str]:
        """List the paths of the files directly in a folder, sorted; [] if there is no such folder."""
        hub = await self._connect()
        data = await hub.get_or_none(f"{self._root}/contents/{several(path)}", ref=ref)
        entries = data if isinstance(data, list) else []
        return sorted(text(entry, "path") for entry in entries if entry.get("type") == "file")

    async def compare(self, base: str, head: str) -> tuple[str, list[str]] | None:
        """Compare a commit with its merge base; return the base and at most 300 changed paths.

        None where one of the two is not there, or they have nothing in common.
        """
        hub = await self._connect()
        # The commits themselves are not needed, so request one per page.
        data = await hub.get_or_none(f"{self._root}/compare/{segment(base)}...{segment(head)}", per_page=1)
        if data is None:
            return None
        return text(part(data, "merge_base_commit"), "sha"), [text(entry, "filename") for entry in items(data, "files")]

    async def blob(self, sha: str, max_bytes: int) -> bytes:
        """Read a blob; refuse one larger than ``max_bytes`` without reading it completely."""
        hub = await self._connect()
        path = f"{self._root}/git/blobs/{segment(sha)}"
        body = bytearray()
        # Base64 with line breaks, plus the surrounding fields.
        most = max_bytes * 4 // 3 * 62 // 60 + 16_384

        def take(piece: bytes) -> None:
            body.extend(piece)
            if len(body) > most:
                raise _too_large(sha, max_bytes)

        await hub.consume(path, take, max_seconds=120)
        try:
            data = values.decoded(bytes(body))
            content = base64.b64decode(text(data, "content"))
        except (ValueError, AttributeError):
            raise errors.malformed(f"GET {path}", "no blob") from None
        if len(content) > max_bytes:
            raise _too_large(sha, max_bytes)
        return content

    async def published_commit(self, sha: str) -> PublishedCommit:
        """List the files of a commit with blobs and sizes, without reading them."""
        # A commit never changes, so its list is cached.
        if sha not in self._published:
            self._published[sha] = await self._named(sha)
            if len(self._published) > MAX_REMEMBERED:
                del self._published[next(iter(self._published))]
        return self._published[sha]

    async def _named(self, sha: str) -> PublishedCommit:
        hub = await self._connect()
        commit = await hub.get(f"{self._root}/git/commits/{segment(sha)}")
        tree_sha = text(part(commit, "tree"), "sha")
        tree = await hub.get(f"{self._root}/git/trees/{segment(tree_sha)}", recursive=1)
        if tree.get("truncated") is True:
            raise _too_large(sha, 100_000)
        entries = [entry for entry in items(tree, "tree") if text(entry, "type") != "tree"]
        regular = [entry for entry in entries if text(entry, "mode") in FILE_MODES]
        return PublishedCommit(
            sha=text(commit, "sha"),
            files={text(entry, "path"): (text(entry, "sha"), integer(entry, "size")) for entry in regular},
            parents=tuple(text(parent, "sha") for parent in items(commit, "parents")),
            others=tuple(text(entry, "path") for entry in entries if entry not in regular),
        )

    async def resolve_ref(self, ref: str) -> str | None:
        """Return the SHA that a ref such as ``refs/modelyard/...`` or ``heads/main`` points to, if it exists."""
        hub = await self._connect()
        full = ref if ref.startswith("refs/") else f"refs/{ref}"
        # The endpoint for a single ref is documented for branches and tags only; this one serves all refs.
        found = hub.pages(f"{self._root}/git/matching-refs/{several(full.removeprefix('refs/'))}")
        shas = [text(part(data, "object"), "sha") async for data in found if text(data, "ref") == full]
        return shas[0] if shas else None

    async def delete_ref(self, ref: str) -> None:
        """Delete a ref, if it still exists."""
        hub = await self._connect()
        path = f"{self._root}/git/refs/{several(ref.removeprefix('refs/'))}"
        try:
            await hub.write("DELETE", path, quiet=(404,))
        except HubError as error:
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or "does not exist" not in error.message:
                raise

    # --- one commit for many files -------------------------------------------------------------------------------------

    async def commit_files(
        self,
        branch: str,
        message: str,
        change: Change,
        *,
        reads: Sequence[str] = (),
        blobs: Mapping[str, str] | None = None,
    ) -> str:
        """Commit what ``change`` makes of the branch's files, and return the commit's SHA.

        The ref is updated without force. If someone else was faster, everything is read and computed again. A branch that
        does not exist begins with this commit.

        Parameters
        ----------
        branch
            The branch's name.
        message
            The commit's message.
        change
            Computes the files from those of the head; see ``Change``.
        reads
            Paths that ``change`` is known to read: they are fetched together. Others are fetched when it asks.
        blobs
            Files that the repository has the content of already: path to blob SHA.

        Returns
        -------
        str
            The new commit, or the head where nothing changes.

        Raises
        ------
        Conflict
            ``history_path_taken``.
        """
        async with self._one_commit:
            for count in range(MAX_COMMIT_ATTEMPTS):
                if count:
                    await self._sleep(min(5.0, 0.1 * 2**count) * (0.5 + _JITTER.random()))
                try:
                    return await self._commit_once(branch, message, change, reads, blobs or {})
                except _Moved:
                    continue
        raise HubError(
            "branch_keeps_moving",
            rule=f"{branch} must not move during the second that a commit takes.",
            found=f"it moved {MAX_COMMIT_ATTEMPTS} times.",
            next_step="It will be retried later.",
            transient=True,
        )

    async def _commit_once(
        self, branch: str, message: str, change: Change, reads: Sequence[str], blobs: Mapping[str, str]
    ) -> str:
        head = await self._head(branch)
        files = await self._changed(head, change, reads)
        if not files and not blobs:
            return self._unchanged(head)
        paths = [*files, *blobs]
        refuse_taken(paths, await self._modes(head, paths))
        try:
            tree = await self._tree(head, files, blobs)
        except HubError as error:
            if head.sha is None and error.status == HTTPStatus.CONFLICT:
                return await self._begin_repository(branch, message, files)
            raise
        if tree == head.tree:
            return self._unchanged(head)
        commit = await self._commit(message, tree, head)
        return await self._move(branch, head, commit)

    async def _head(self, branch: str) -> _Head:
        hub = await self._connect()
        try:
            ref = await hub.get(f"{self._root}/git/ref/heads/{several(branch)}")
        except HubError as error:
            if error.status in (404, 409):  # no such branch; no commit at all
                return _Head(None, None)
            raise
        sha = text(part(ref, "object"), "sha")
        commit = await hub.get(f"{self._root}/git/commits/{sha}")
        return _Head(sha, text(part(commit, "tree"), "sha"))

    async def _changed(self, head: _Head, change: Change, reads: Sequence[str]) -> dict[str, bytes | None]:
        """Compute the change; keep only what differs from the head."""
        present: dict[str, bytes | None] = {}
        await self._fetch(head, reads, present)

        def read(path: str, /) -> bytes | None:
            if path not in present:
                raise _NotReadYet(path)
            return present[path]

        files: dict[str, bytes | None] | None = None
        while files is None:
            try:
                files = dict(change(read))
            except _NotReadYet as wanted:
                await self._fetch(head, [wanted.path], present)
        # Git refuses to remove a file that does not exist.
        await self._fetch(head, [path for path, content in files.items() if content is None], present)
        return {path: new for path, new in files.items() if path not in present or present[path] != new}

    async def _fetch(self, head: _Head, paths: Sequence[str], present: dict[str, bytes | None]) -> None:
        missing = [path for path in dict.fromkeys(paths) if path not in present]
        if head.sha is None:
            present.update(dict.fromkeys(missing))
            return
        contents = await asyncio.gather(*(self.file(path, head.sha) for path in missing))
        present.update(zip(missing, contents, strict=True))

    async def _modes(self, head: _Head, paths: Sequence[str]) -> dict[str, str]:
        """Return git's modes of what the head has at some paths and above them."""
        hub = await self._connect()
        wanted = {place for path in paths for place in with_parents(path)}
        modes: dict[str, str] = {}
        folders = [("", head.tree)] if head.tree else []
        while folders:
            above, sha = folders.pop()
            tree = await hub.get(f"{self._root}/git/trees/{segment(sha)}")
            for entry in items(tree, "tree"):
                place = above + text(entry, "path")
                if place in wanted:
                    modes[place] = text(entry, "mode")
                    if modes[place] == FOLDER_MODE:
                        folders.append((f"{place}/", text(entry, "sha")))
        return modes

    @staticmethod
    def _unchanged(head: _Head) -> str:
        return head.sha or ""

    async def _tree(self, head: _Head, files: Mapping[str, bytes | None], blobs: Mapping[str, str]) -> str:
        entries: list[dict[str, object]] = [_entry(path, sha=sha) for path, sha in blobs.items()]
        for path, content in files.items():
            inline = _as_text(content)
            if inline is not None:
                entries.append(_entry(path, content=inline))
            else:
                entries.append(_entry(path, sha=None if content is None else await self._blob(content)))
        body: dict[str, object] = {"tree": entries}
        if head.tree:
            body["base_tree"] = head.tree
        return await self._made("git/trees", body)

    async def _blob(self, content: bytes) -> str:
        return await self._made(
            "git/blobs", {"content": base64.b64encode(content).decode("ascii"), "encoding": "base64"}
        )

    async def _commit(self, message: str, tree: str, head: _Head) -> str:
        parents = [head.sha] if head.sha else []
        return await self._made("git/commits", {"message": message, "tree": tree, "parents": parents})

    async def _made(self, kind: str, body: Mapping[str, object]) -> str:
        """Create a git object. Its name derives from its content, so a lost response does not matter."""
        hub = await self._connect()
        answer = await hub.write("POST", f"{self._root}/{kind}", body)
        sha = text(answer.data or {}, "sha")
        if not sha:
            raise errors.malformed(f"POST {kind}", "no SHA", is_write=True)
        return sha

    async def _move(self, branch: str, head: _Head, commit: str) -> str:
        """Move the branch to the commit, if it has not moved since it was read."""
        hub = await self._connect()
        try:
            if head.sha is None:
                await hub.write("POST", f"{self._root}/git/refs", {"ref": f"refs/heads/{branch}", "sha": commit})
            else:
                path = f"{self._root}/git/refs/heads/{several(branch)}"
                await hub.write("PATCH", path, {"sha": commit, "force": False})
        except HubError as error:
            if _is_conflict(error):
                raise _Moved from None
            if error.unknown:
                # Read again: if the update succeeded, nothing is left to change.
                if (await self._head(branch)).sha == commit:
                    return commit
                raise _Moved from None
            raise _explained(error, branch) from None
        return commit

    async def _begin_repository(self, branch: str, message: str, files: Mapping[str, bytes | None]) -> str:
        """Create the first commit of an empty repository: GitHub creates git objects only in a repository with commits."""
        hub = await self._connect()
        first = min((path for path, content in files.items() if content is not None), default=None)
        if first is None:
            return ""
        content = base64.b64encode(files[first] or b"").decode("ascii")
        body = {"message": message, "content": content, "branch": branch}
        answer = await hub.write("PUT", f"{self._root}/contents/{several(first)}", body)
        if len(files) > 1:
            raise _Moved  # the rest follows as a second commit
        return text(part(answer.data or {}, "commit"), "sha")


def _entry(path: str, **what: object) -> dict[str, object]:
    several(path)  # no path that leads elsewhere
    return {"path": path, "mode": "100644", "type": "blob", **what}


def _as_text(content: bytes | None) -> str | None:
    """Return content that fits into the tree request itself, which saves a write per file."""
    if content is None or len(content) > _INLINE_BYTES or b"\x00" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _is_conflict(error: HubError) -> bool:
    if error.status == HTTPStatus.CONFLICT:
        return True
    message = error.message.lower()
    moved = ("fast forward", "fast-forward", "already exists", "does not exist")
    return error.status == HTTPStatus.UNPROCESSABLE_ENTITY and any(words in message for words in moved)


def _explained(error: HubError, branch: str) -> HubError:
    message = error.message.lower()
    if error.status in (403, 422) and ("protected" in message or "rule violation" in message):
        return HubError(
            "branch_protected",
            rule=f"The App must be allowed to commit to {branch}.",
            found=error.message,
            next_step="Let the App bypass the branch's protection, or set history.branch to a branch that is open.",
            status=error.status,
            message=error.message,
        )
    return error


def _too_large(sha: str, limit: int) -> HubError:
    return HubError(
        "too_large",
        rule=f"A published file or folder must have at most {limit} bytes or entries.",
        found=f"{sha} has more.",
        next_step="Publish less.",
    )
