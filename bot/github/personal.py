"""A repository opened with a person's token instead of the App's key, for commands that people run by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx

from bot.github.app import Repository
from bot.github.errors import HubError
from bot.github.identity import Identity
from bot.github.models import text
from bot.github.traffic import Traffic
from bot.github.write_queue import TokenBucket, WriteQueue

if TYPE_CHECKING:
    from bot.github.connection import Connection

_TIMEOUT = httpx.Timeout(15, connect=5)
_WORKFLOW_LOGIN = "github-actions[bot]"
_NEXT_STEPS: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Check the token: it may have expired, or belong to another GitHub.",
    HTTPStatus.FORBIDDEN: "Use a token that may read and write issues in this repository.",
    HTTPStatus.NOT_FOUND: "Check the repository's name and that the token has access to it.",
    HTTPStatus.GONE: "Enable issues in the repository's settings.",
}


@asynccontextmanager
async def open_repository(
    name: str, *, token: str, api_url: str, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Repository]:
    """Open a repository as the token's owner, for the duration of the block.

    Parameters
    ----------
    name
        ``owner/name``.
    token, api_url
        The token, and the address of the API it is sent to.
    transport
        Replaces the network, for tests.
    """
    from githubkit.auth import TokenAuthStrategy

    from bot.github.connection import Connection, Wire

    wire = Wire(api_url, _TIMEOUT, transport, 1.0, Traffic().watch("token"))
    connection = Connection(TokenAuthStrategy(token), wire, WriteQueue(TokenBucket()), next_steps=_NEXT_STEPS)

    async def connect() -> Connection:
        return connection

    async def who() -> Identity:
        return Identity(await _login(connection))

    try:
        yield Repository(name, connect=connect, who=who, sleep=asyncio.sleep)
    finally:
        await connection.close()


async def _login(connection: Connection) -> str:
    """Ask GitHub who owns the token. A workflow's own token may not ask."""
    try:
        return text(await connection.get("user"), "login")
    except HubError as error:
        if error.status == HTTPStatus.FORBIDDEN:
            return _WORKFLOW_LOGIN
        raise
