"""The App as GitHub knows it: what it was registered with, where it is installed, where its webhook goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.github.values import Json, items, part, text


@dataclass(frozen=True)
class Registration:
    """The App itself.

    Attributes
    ----------
    settings_url
        Where its owner changes it.
    install_url
        Where people install it.
    """

    slug: str
    permissions: dict[str, str]
    events: tuple[str, ...]
    settings_url: str
    install_url: str

    @classmethod
    def of(cls, data: Json) -> Registration:
        slug, page, owner = text(data, "slug"), text(data, "html_url"), part(data, "owner")
        # https://HOST/apps/SLUG; on GHES https://HOST/github-apps/SLUG.
        host = "/".join(page.split("/")[:3])
        account = f"/organizations/{text(owner, 'login')}" if text(owner, "type") == "Organization" else ""
        return cls(
            slug=slug,
            permissions=_levels(part(data, "permissions")),
            events=_names(items(data, "events")),
            settings_url=f"{host}{account}/settings/apps/{slug}",
            install_url=f"{page}/installations/new",
        )


@dataclass(frozen=True)
class Installed:
    """One installation of the App."""

    id: int
    account: str
    permissions: dict[str, str]
    events: tuple[str, ...]
    suspended: bool
    html_url: str

    @classmethod
    def of(cls, data: Json) -> Installed:
        number = data.get("id")
        return cls(
            id=number if isinstance(number, int) else 0,
            account=text(part(data, "account"), "login"),
            permissions=_levels(part(data, "permissions")),
            events=_names(items(data, "events")),
            suspended=data.get("suspended_at") is not None,
            html_url=text(data, "html_url"),
        )


@dataclass(frozen=True)
class WebhookConfig:
    """Where GitHub sends the App's webhooks; the secret itself is never told."""

    url: str
    has_secret: bool
    insecure: bool

    @classmethod
    def of(cls, data: Json) -> WebhookConfig:
        return cls(text(data, "url"), bool(data.get("secret")), str(data.get("insecure_ssl", "0")) == "1")


def _levels(data: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(level) for name, level in data.items()}


def _names(data: list[Any]) -> tuple[str, ...]:
    return tuple(str(name) for name in data)
