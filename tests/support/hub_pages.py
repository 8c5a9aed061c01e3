"""A hub with one repository and three people, and somebody who looks at its pages."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Protocol

from starlette.testclient import TestClient

from runners.local.hub.app import serve
from runners.local.hub.hub import Hub
from runners.local.hub.records import Repository

ORIGIN = "http://127.0.0.1:8000"
HOME = "/owner/demo"


class Page(Protocol):
    """An answer, whichever HTTP client reads it."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def text(self) -> str: ...

    @property
    def content(self) -> bytes: ...


class Visitor:
    """Sends forms as a browser does: with the page's token, its cookies and its origin."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str) -> Page:
        """Look at a page."""
        return self.client.get(path, follow_redirects=False)

    def post(
        self, path: str, fields: Mapping[str, str | list[str]], *, headers: Mapping[str, str] | None = None
    ) -> Page:
        """Send a form with this session's token."""
        sent = {"token": self.token(), **fields}
        return self.client.post(path, data=sent, headers={"Origin": ORIGIN, **(headers or {})}, follow_redirects=False)

    def token(self) -> str:
        """Return the token that the pages' forms carry."""
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.get("/").text)
        assert found is not None
        return found[1]

    def act_as(self, login: str) -> None:
        """Press one of the switch's buttons."""
        assert self.post("/-/person", {"login": login, "back": "/"}).status_code == 303


class Pages:
    """The hub behind the pages, and its visitor."""

    def __init__(self, hub: Hub, repository: Repository, visitor: Visitor) -> None:
        self.hub = hub
        self.repository = repository
        self.visitor = visitor

    def write_files(self, files: Mapping[str, str | bytes], branch: str = "main") -> str:
        """Commit files on top of a branch; return the commit's SHA."""
        git = self.hub.git(self.repository)
        head = git.head(branch)
        script = [
            f"commit refs/heads/{branch}",
            "committer owner <owner@localhost> 1700000000 +0000",
            "data 5",
            "files",
        ]
        if head:
            script.append(f"from {head}")
        parts = ["\n".join(script).encode() + b"\n"]
        for path, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            parts.append(f'M 100644 inline "{path}"\ndata {len(data)}\n'.encode() + data + b"\n")
        command = ["git", f"--git-dir={git.path}", "fast-import", "--quiet"]
        subprocess.run(command, input=b"".join(parts), check=True, capture_output=True)
        sha = git.head(branch)
        assert sha is not None
        return sha


@contextmanager
def serve_pages(root: Path) -> Iterator[Pages]:
    """Serve a hub's pages to one visitor, in this process."""
    hub = Hub.open(root, ORIGIN, webhooks_enabled=False)
    try:
        repository = hub.create_repository("owner/demo")
        hub.set_role(repository, "writer", "write")
        hub.set_role(repository, "reader", "read")
        with TestClient(serve(hub), base_url=ORIGIN) as client:
            yield Pages(hub, repository, Visitor(client))
    finally:
        hub.close()


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    """Return every tag of a text as a browser would find it."""
    outline = _Outline()
    outline.feed(html)
    outline.close()
    return outline.tags
