"""A hub with one repository and three people, and somebody who looks at its pages."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Protocol

from starlette.testclient import TestClient

from runners.local.act.workflow_plan import PlannedJob
from runners.local.hub.actions.records import Runner, Workflow, WorkflowRun
from runners.local.hub.actions.report import RunReport
from runners.local.hub.app import serve
from runners.local.hub.hub import Hub
from runners.local.hub.records import Issue, Repository
from runners.local.hub.services import issues

ORIGIN = "http://127.0.0.1:8000"
HOME = "/owner/demo"
TRAIN = """
name: Train a model
description: Trains
title: "Train: "
labels: ["mlops:train"]
body:
  - type: markdown
    attributes: {value: "Say **what** <script>alert(1)</script>"}
  - type: input
    id: model_name
    attributes: {label: Model name, placeholder: breast-cancer}
    validations: {required: true}
  - type: dropdown
    id: algorithm
    attributes: {label: Algorithm, options: [random_forest, xgboost]}
    validations: {required: true}
  - type: textarea
    id: hyperparameters
    attributes: {label: Hyperparameters, render: yaml}
  - type: textarea
    id: notes
    attributes: {label: Notes}
"""
"""An issue form."""
PREPARE = PlannedJob(
    key="prepare", name="train / prepare", needs=(), labels=("gpu",), timeout_minutes=5, permissions={}, steps={}
)


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


class HubUser:
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
    """A hub with the repository ``owner/demo`` and three people; ``user`` looks at its pages."""

    user: HubUser

    def __init__(self, root: Path) -> None:
        self.hub = Hub.open(root, ORIGIN, webhooks_enabled=False)
        self.repository: Repository = self.hub.create_repository("owner/demo")
        self.hub.set_role(self.repository, "writer", "write")
        self.hub.set_role(self.repository, "reader", "read")

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
    """Serve a hub's pages to one user, in this process."""
    pages = Pages(root)
    try:
        with TestClient(serve(pages.hub), base_url=ORIGIN) as client:
            pages.user = HubUser(client)
            yield pages
    finally:
        pages.hub.close()


def open_issue(pages: Pages, login: str = "writer", title: str = "Something", body: str | None = None) -> Issue:
    """Open an issue in a person's name."""
    return issues.create_issue(pages.hub, pages.hub.person(login), pages.repository, title, body)


def add_run(pages: Pages, **changes: Any) -> WorkflowRun:
    """Store a run for which there is no runner, so that it stays as it is."""
    path = ".github/workflows/train.yml"
    workflow = pages.hub.store.table(Workflow).add(Workflow(repository_id=pages.repository.id, path=path, name="Train"))
    fields: dict[str, Any] = {
        "repository_id": pages.repository.id,
        "workflow_id": workflow.id,
        "path": path,
        "workflow_name": "Train",
        "run_number": 1,
        "title": "train-20261122-001 attempt 1",
        "event": "workflow_dispatch",
        "branch": "main",
        "sha": pages.hub.git(pages.repository).head("main"),
        "actor_id": pages.hub.person("writer").account.id,
        "labels": ["gpu"],
    }
    return pages.hub.runs.runs.add(WorkflowRun(**fields | changes))


def report_on(pages: Pages, run: WorkflowRun) -> RunReport:
    """Return what an executor tells about a run."""
    runner = pages.hub.runs.runners.add(Runner(name="laptop", labels=["self-hosted"]))
    token = pages.hub.auth.issue_job_token(pages.repository, {"contents": "read"}, run.id)
    return RunReport(pages.hub, run, runner, token)


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
