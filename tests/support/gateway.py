"""The App's gateway on a running local hub, with a repository of its own for each test."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from bot.github import GitHub, Repository
from bot.settings import Settings
from runners.local.hub.git.repository import GitRepository
from runners.local.hub.hub import Hub
from runners.local.hub.seed import Ready, Setup
from runners.local.hub.server import bind, serving
from tests.support.keys import set_up_with_one_key
from tests.support.repositories import repository
from tests.support.unreliable import Unreliable

T = TypeVar("T")
WORKFLOW = """\
name: train
run-name: ${{ inputs.run }} attempt ${{ inputs.attempt }}
on:
  workflow_dispatch:
    inputs:
      run: {required: true, type: string}
      attempt: {required: true, type: string}
jobs:
  train:
    runs-on: [self-hosted]
    steps:
      - name: Count
        run: |
          for number in $(seq 1 50); do echo "line $number"; done
          echo "::error::it went wrong"
          exit 1
      - name: Clean up
        if: always()
        run: echo "all is clean again"
"""
_NUMBERS = itertools.count(1)


@contextlib.contextmanager
def running_hub(folder: Path) -> Iterator[Hub]:
    """Serve a hub, without webhooks, until the block ends."""
    listening, address = bind()
    hub = Hub.open(folder, address, webhooks_enabled=False)
    try:
        with serving(hub, listening):
            yield hub
    finally:
        hub.close()


@dataclass
class World:
    """One repository on a hub, and the gateway to it."""

    hub: Hub
    ready: Ready
    folder: Path
    network: Unreliable

    @classmethod
    def of(cls, hub: Hub, folder: Path, wrap: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]) -> World:
        source = repository(folder / "source", **{".github/workflows/modelyard-train.yml": WORKFLOW})
        ready = set_up_with_one_key(hub, Setup(repository=f"owner/demo-{next(_NUMBERS)}", import_from=source))
        return cls(hub, ready, folder, Unreliable(wrap(httpx.AsyncHTTPTransport())))

    @property
    def name(self) -> str:
        return self.ready.repository.full_name

    @property
    def git(self) -> GitRepository:
        return self.hub.git(self.ready.repository)

    def settings(self, **changes: object) -> Settings:
        given = {
            "webhook_secret": "not used here",
            "app_id": self.ready.app.id,
            "private_key_path": self.ready.private_key_path,
            "github_api_url": self.hub.api_url,
            "time_factor": 0.01,
            "write_burst": 1_000,
            **changes,
        }
        return Settings.model_validate(given)

    def do(self, work: Callable[[Repository], Awaitable[T]], name: str | None = None) -> T:
        """Open the gateway anew, with nothing remembered, and do some work on the repository."""

        async def within() -> T:
            async with GitHub(self.settings(), self.network) as github:
                return await work(github.repository(name or self.name))

        return asyncio.run(within())

    def as_person(self, login: str, method: str, path: str, body: object = None) -> httpx.Response:
        """Send a request as one of the people, below the repository's address."""
        headers = {"Authorization": f"Bearer {self.ready.tokens[login]}"}
        address = f"{self.hub.api_url}/repos/{self.name}/{path}"
        answer = httpx.request(method, address, json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer

    def issue(self) -> int:
        """Open an issue as the writer; return its number."""
        return int(
            self.as_person("writer", "POST", "issues", {"title": "Train it", "body": "Please."}).json()["number"]
        )
