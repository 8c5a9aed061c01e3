"""GitHub for operations that are run by a command or a tool: plain, blocking calls over the gateway.

Called from a thread without an event loop, as the command line and the MCP server's tools do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from bot.github import GitHub, Identity, Repository
from bot.settings import PREFIX, Settings, load_settings

_T = TypeVar("_T")
_Open = Callable[[str], contextlib.AbstractAsyncContextManager[Repository]]
_GITHUB = "https://api.github.com"


@dataclass(frozen=True)
class Hub:
    """Opens a repository for as long as one call takes."""

    open: _Open

    def call(self, repository: str, work: Callable[[Repository], Awaitable[_T]]) -> _T:
        """Do some work on a repository and wait for it."""

        async def within() -> _T:
            async with self.open(repository) as opened:
                return await work(opened)

        return asyncio.run(within())


class HubIssues:
    """``actions.operation.Issues`` over GitHub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def post_comment(self, repository: str, issue: int, body: str, marker: str) -> str:
        """Create the comment that carries ``marker``, or update it; return its URL."""
        return self._hub.call(repository, lambda opened: opened.upsert_comment(issue, marker, body)).html_url


def hub_from_environment() -> Hub | None:
    """Return the way to GitHub that the environment gives: a token, else the App's key, else none.

    Whoever sets ``MODELYARD_GITHUB_TOKEN`` means to act as the token's owner.

    Raises
    ------
    SettingsError
        Where the App's settings are there but wrong.
    """
    token = os.environ.get(PREFIX + "GITHUB_TOKEN")
    if token:
        address = os.environ.get(PREFIX + "GITHUB_API_URL") or os.environ.get("GITHUB_API_URL") or _GITHUB
        return Hub(_as_holder(token, address))
    if os.environ.get(PREFIX + "APP_ID"):
        # No webhooks come in here, so their secret is not asked for.
        return Hub(_as_app(load_settings(webhook_secret="none is received")))  # noqa: S106
    return None


def issues_from_environment() -> HubIssues | None:
    """Return GitHub's issues, where the environment has credentials."""
    hub = hub_from_environment()
    return HubIssues(hub) if hub else None


def _as_app(settings: Settings) -> _Open:
    @contextlib.asynccontextmanager
    async def opened(repository: str) -> AsyncIterator[Repository]:
        async with GitHub(settings) as github:
            yield github.repository(repository)

    return opened


def _as_holder(token: str, address: str) -> _Open:
    @contextlib.asynccontextmanager
    async def opened(repository: str) -> AsyncIterator[Repository]:
        from bot.github.connection import Connection, login_of, token_connection

        connection = token_connection(token, address)

        async def connect() -> Connection:
            return connection

        async def who() -> Identity:
            return Identity(await login_of(connection))

        try:
            yield Repository(repository, connect=connect, who=who, sleep=asyncio.sleep)
        finally:
            await connection.close()

    return opened
