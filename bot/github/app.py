"""The App on one GitHub: its identity, its installations and its repositories."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from bot.github import errors
from bot.github.app_facts import AppFacts, InstallationFacts, WebhookFacts
from bot.github.errors import HubError
from bot.github.git import GitPart
from bot.github.identity import Identity
from bot.github.issues import IssuesPart
from bot.github.models import SentDelivery, integer, part, text
from bot.github.repository_part import segment
from bot.github.traffic import Traffic
from bot.github.workflow_runs import RunsPart
from bot.github.write_queue import TokenBucket, WriteQueue

if TYPE_CHECKING:
    from bot.github.connection import Connection, Wire
    from bot.settings import Settings

DELIVERIES = "app/hook/deliveries"


class Repository(IssuesPart, RunsPart, GitPart):
    """One repository: issues, workflow runs and git. Every write can be repeated safely."""


class GitHub:
    """The App's access to GitHub; use it with ``async with``.

    Parameters
    ----------
    settings
        Address, App id and key, time-outs and the rate of writes.
    transport
        Replaces the network, for tests.
    """

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._transport = transport
        self.traffic = Traffic()
        self._app: Connection | None = None
        self._identity: Identity | None = None
        self._connections: dict[int, Connection] = {}
        self._installations: dict[str, int] = {}
        self._repositories: dict[str, Repository] = {}
        self._look_up = asyncio.Lock()

    async def __aenter__(self) -> Self:
        from bot.github.connection import Connection, app_auth

        key = self._settings.key()
        self._app = Connection(app_auth(self._settings.app_id, key), self._wire("app"), self._write_queue())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for connection in (*self._connections.values(), self._own()):
            await connection.close()
        self._connections.clear()

    # --- the App -----------------------------------------------------------------------------------------------------

    async def identity(self) -> Identity:
        """Return who the App is; GitHub is asked once."""
        if self._identity is None:
            data = await self._ask_who()
            self._identity = Identity.of_app(integer(data, "id"), text(data, "slug"))
        return self._identity

    async def check(self) -> None:
        """Raise HubError if GitHub cannot be reached or does not accept the App's key."""
        await self._ask_who()

    async def _ask_who(self) -> Any:
        try:
            return await self._own().get("app")
        except HubError as error:
            if error.status == HTTPStatus.NOT_FOUND:  # GitHub's response if there is no App with this id
                raise errors.from_status("GET app", HTTPStatus.UNAUTHORIZED, error.message, is_write=False) from None
            raise

    async def registration(self) -> AppFacts:
        """Return the App's registration."""
        return AppFacts.of(await self._ask_who())

    async def installed(self) -> list[InstallationFacts]:
        """List the App's installations, with what each has granted."""
        return [InstallationFacts.of(data) async for data in self._own().pages("app/installations")]

    async def installations(self) -> list[tuple[int, str]]:
        """List the App's installations: id and account."""
        return [(installation.id, installation.account) for installation in await self.installed()]

    async def installed_repositories(self, installation_id: int) -> dict[str, int]:
        """Return the repositories of one installation: the id of each ``owner/name``."""
        hub = await self._connection(installation_id)
        listed = hub.pages("installation/repositories", key="repositories")
        return {text(data, "full_name"): integer(data, "id") async for data in listed}

    # --- its webhook ---------------------------------------------------------------------------------------------------

    async def webhook(self) -> WebhookFacts | None:
        """Return where GitHub sends the App's webhooks; None if it does not say."""
        try:
            return WebhookFacts.of(await self._own().get("app/hook/config"))
        except HubError as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.NOT_IMPLEMENTED):
                return None
            raise

    async def failed_deliveries(self, since: datetime) -> list[SentDelivery]:
        """List the failed deliveries since a time, newest first; GitHub keeps them for three days."""
        # Without support for `status`, GitHub lists all of them.
        async with aclosing(self._own().pages(DELIVERIES, status="failure")) as listed:
            found = await _until(since, listed)
        return [attempt for attempt in found if not attempt.succeeded]

    async def deliveries(self, since: datetime) -> list[SentDelivery]:
        """List all deliveries since a time, newest first."""
        async with aclosing(self._own().pages(DELIVERIES)) as listed:
            return await _until(since, listed)

    async def deliveries_tag(self, known: str) -> str:
        """Return the ETag of the current list of deliveries, which is cheap while the list does not change."""
        return await self._own().tag(DELIVERIES, known, per_page=100)

    async def delivered_payload(self, attempt: int) -> Any:
        """Return the payload of an attempt; None if GitHub no longer has it."""
        data = await self._own().get_or_none(f"{DELIVERIES}/{attempt}")
        return None if data is None else part(data, "request").get("payload")

    async def redeliver(self, attempt: int) -> None:
        """Ask GitHub to redeliver a webhook; one that it no longer has is ignored."""
        await self._own().write("POST", f"{DELIVERIES}/{attempt}/attempts", quiet=(404, 422))

    # --- repositories --------------------------------------------------------------------------------------------------

    def repository(self, name: str, installation_id: int | None = None) -> Repository:
        """Return a repository by ``owner/name``; unless it is given, its installation is looked up when first needed.

        There is one object per repository: it remembers what it wrote, and makes one commit at a time.
        """
        owner, slash, rest = name.partition("/")
        if not (owner and slash and rest) or "/" in rest:
            raise ValueError(f"not owner/name: {name!r}")
        if installation_id:
            self._installations[name] = installation_id
        if name not in self._repositories:

            async def connect() -> Connection:
                return await self._connection(await self._installation_of(name))

            self._repositories[name] = Repository(name, connect=connect, who=self.identity, sleep=self._sleep)
        return self._repositories[name]

    async def installation_now(self, name: str) -> int | None:
        """Return the installation to which a repository belongs now; None if the App has no access to it."""
        owner, _, repository = name.partition("/")
        data = await self._own().get_or_none(f"repos/{segment(owner)}/{segment(repository)}/installation")
        if data is None:
            self._installations.pop(name, None)
            return None
        self._installations[name] = integer(data, "id")
        return self._installations[name]

    async def _installation_of(self, name: str) -> int:
        async with self._look_up:
            known = self._installations.get(name)
            if known is None:
                known = await self.installation_now(name)
        if known is None:
            raise errors.not_installed(name)
        return known

    async def _connection(self, installation_id: int) -> Connection:
        from bot.github.connection import Connection, InstallationAuth, InstallationTokens

        known = self._connections.get(installation_id)
        if known is None:

            async def ask() -> Any:
                try:
                    # Not queued: the write that needs the token would block it.
                    return await self._own().write_without_turn(
                        "POST", f"app/installations/{installation_id}/access_tokens"
                    )
                except HubError as error:
                    if error.status == HTTPStatus.NOT_FOUND:
                        self._forget(installation_id)
                    raise

            auth = InstallationAuth(InstallationTokens(ask))
            known = self._connections[installation_id] = Connection(
                auth, self._wire(str(installation_id)), self._write_queue()
            )
        return known

    def _forget(self, installation_id: int) -> None:
        """Look up the installation again next time: the App was removed, and may be installed again under another id."""
        self._installations = {name: known for name, known in self._installations.items() if known != installation_id}

    def _own(self) -> Connection:
        if self._app is None:
            raise RuntimeError("use GitHub with `async with`")
        return self._app

    def _wire(self, whose: str) -> Wire:
        from bot.github.connection import Wire

        seconds = self._settings.http_timeout_seconds
        timeout = httpx.Timeout(seconds, connect=min(5.0, seconds), pool=4 * seconds)
        watch = self.traffic.watch(whose)
        return Wire(self._settings.github_api_url, timeout, self._transport, self._settings.time_factor, watch)

    def _write_queue(self) -> WriteQueue:
        return WriteQueue(TokenBucket(self._settings.write_burst, self._settings.writes_per_second))

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._settings.time_factor)


async def _until(since: datetime, listed: AsyncIterator[Any]) -> list[SentDelivery]:
    found = []
    async for data in listed:
        attempt = SentDelivery.of(data)
        if attempt.delivered_at is None or attempt.delivered_at < since:
            break
        found.append(attempt)
    return found
