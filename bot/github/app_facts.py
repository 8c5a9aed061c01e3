"""What GitHub shows about the App: its registration, its installations, its webhook; and GitHub's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from bot.github.models import Json, integer, items, optional, part, text


@dataclass(frozen=True)
class AppFacts:
    """The App's registration.

    Attributes
    ----------
    settings_url
        The page on which its owner changes it.
    install_url
        The page on which people install it.
    """

    id: int
    slug: str
    permissions: Mapping[str, str]
    events: frozenset[str]
    settings_url: str
    install_url: str

    @classmethod
    def of(cls, data: Json) -> AppFacts:
        slug, page, owner = text(data, "slug"), text(data, "html_url"), part(data, "owner")
        # https://HOST/apps/SLUG; on GHES https://HOST/github-apps/SLUG.
        host = "/".join(page.split("/")[:3])
        account = f"/organizations/{text(owner, 'login')}" if text(owner, "type") == "Organization" else ""
        return cls(
            integer(data, "id"),
            slug,
            _levels(data),
            _events(data),
            settings_url=f"{host}{account}/settings/apps/{slug}",
            install_url=f"{page}/installations/new",
        )


@dataclass(frozen=True)
class InstallationFacts:
    """One installation of the App, with the permissions granted to it, which may be fewer than the App requests."""

    id: int
    account: str
    html_url: str
    permissions: Mapping[str, str]
    events: frozenset[str]
    suspended: bool

    @classmethod
    def of(cls, data: Json) -> InstallationFacts:
        return cls(
            integer(data, "id"),
            text(part(data, "account"), "login"),
            text(data, "html_url"),
            _levels(data),
            _events(data),
            optional(data, "suspended_at") is not None,
        )


@dataclass(frozen=True)
class WebhookFacts:
    """Where GitHub sends the App's webhooks."""

    url: str
    content_type: str
    has_secret: bool
    checks_certificate: bool

    @classmethod
    def of(cls, data: Json) -> WebhookFacts:
        # GitHub shows a secret as stars; "1", as text or number, means that certificates are not verified.
        insecure = str(data.get("insecure_ssl", "0")) == "1"
        return cls(text(data, "url"), text(data, "content_type") or "form", bool(text(data, "secret")), not insecure)


def _levels(data: Json) -> dict[str, str]:
    return {str(name): str(level) for name, level in part(data, "permissions").items()}


def _events(data: Json) -> frozenset[str]:
    return frozenset(str(event) for event in items(data, "events"))


async def clock_ahead(api_url: str, seconds: float, transport: httpx.AsyncBaseTransport | None = None) -> float | None:
    """Return by how many seconds this machine's clock is ahead of GitHub's; None if GitHub does not say.

    It works without a key, which may be refused because of the clock. The header has whole seconds; half of one is added.
    """
    async with httpx.AsyncClient(timeout=seconds, transport=transport) as client:
        try:
            before = datetime.now(UTC)
            answer = await client.get(api_url)
            between = before + (datetime.now(UTC) - before) / 2
        except httpx.HTTPError:
            return None
    try:
        server_time: Any = parsedate_to_datetime(answer.headers.get("date", ""))
        return float((between - server_time).total_seconds()) - 0.5
    except (TypeError, ValueError):
        return None
