"""Issues for operations that run outside the App: the connection to GitHub is opened when a comment is written.

Called from a thread without an event loop, as the command line and the MCP server's tools do.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from actions.context import Issues
from actions.errors import Unavailable
from bot.github.app import GitHub, Repository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_APP_ID, _TOKEN = "MODELYARD_APP_ID", "MODELYARD_GITHUB_TOKEN"
_GITHUB = "https://api.github.com"


class LazyIssues:
    """Writes comments with the credentials in the environment, which are read only when they are needed."""

    def post_comment(self, repository: str, issue: int, body: str, marker: str) -> str:
        """Create or update the comment that carries ``marker``; return its URL.

        Raises
        ------
        Unavailable
            With reason ``hub_unavailable`` if the environment has no credentials any more.
        SettingsError
            If the App's settings are invalid.
        """

        async def post() -> str:
            async with _open(repository) as opened:
                return (await opened.upsert_comment(issue, marker, body)).html_url

        return asyncio.run(post())


def lazy_issues() -> Issues | None:
    """Return access to issues, or None without credentials in the environment."""
    return LazyIssues() if any(os.environ.get(name) for name in (_APP_ID, _TOKEN)) else None


def _open(repository: str) -> AbstractAsyncContextManager[Repository]:
    """Open a repository with a token if there is one: setting it means acting as its owner. Otherwise as the App."""
    from bot.github.personal import open_repository

    if token := os.environ.get(_TOKEN):
        api_url = os.environ.get("MODELYARD_GITHUB_API_URL") or os.environ.get("GITHUB_API_URL") or _GITHUB
        return open_repository(repository, token=token, api_url=api_url)
    if os.environ.get(_APP_ID):
        return _open_as_app(repository)
    raise Unavailable(
        "hub_unavailable",
        rule="This operation needs access to GitHub.",
        found="The environment no longer has credentials.",
        next_step=f"Set {_APP_ID} and MODELYARD_PRIVATE_KEY_PATH, or {_TOKEN}.",
    )


@asynccontextmanager
async def _open_as_app(repository: str) -> AsyncIterator[Repository]:
    from bot.settings import load_settings

    # No webhooks are received here, so their secret is not required.
    settings = load_settings(webhook_secret="unused")  # noqa: S106
    async with GitHub(settings) as github:
        yield github.repository(repository)
