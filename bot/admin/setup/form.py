"""Reads the form on the first page of ``/setup`` (pure)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from actions.text.hosts import LOOPBACK_HOSTS
from bot.admin.setup.manifest import GITHUB, MAX_NAME, Hub, is_account
from bot.credentials import CredentialStore
from bot.credentials.env_file import EnvFile
from bot.credentials.secrets_manager import SecretsManager


@dataclass(frozen=True)
class Choices:
    """Where to register the App, where GitHub reaches it, and where to store its credentials."""

    hub: Hub
    organization: str
    name: str
    public_url: str
    store: CredentialStore


def read_choices(form: Mapping[str, str]) -> tuple[Choices | None, dict[str, str]]:
    """Return the choices, or None and the errors by field."""
    wrong: dict[str, str] = {}
    hub = _hub(form.get("github", ""), wrong)
    organization = form.get("organization", "").strip().removeprefix("@")
    if organization and not is_account(organization):
        wrong["organization"] = "It must be the organisation's name as in its URL: letters, digits and hyphens."
    name = form.get("name", "").strip()
    if not name or len(name) > MAX_NAME or not name.isprintable():
        wrong["name"] = f"It must have 1 to {MAX_NAME} characters and be unique among the Apps on this GitHub."
    public_url = _public_url(form.get("public_url", ""), hub, wrong)
    store = read_store(form, wrong)
    if wrong or hub is None or store is None:
        return None, wrong
    return Choices(hub, organization, name, public_url, store), {}


def read_store(form: Mapping[str, str], wrong: dict[str, str]) -> CredentialStore | None:
    """Return the chosen place for the credentials; None if it is invalid, with the error added to ``wrong``."""
    if form.get("store") == "env_file":
        path = form.get("env_file", "").strip()
        with contextlib.suppress(RuntimeError):  # no such user
            if path and path.isprintable():
                return EnvFile(Path(path).expanduser())
        wrong["env_file"] = "It must be the path of a file, such as .env."
    elif form.get("store") == "secrets_manager":
        prefix, region = form.get("secrets_prefix", "").strip(), form.get("aws_region", "").strip()
        if prefix:
            return SecretsManager(prefix, region or None)
        wrong["secrets_prefix"] = "It must be the first part of the secret's name, such as modelyard/production."
    else:
        wrong["store"] = "Choose one of the two."
    return None


def _hub(text: str, wrong: dict[str, str]) -> Hub | None:
    address = _plain(text.strip() or GITHUB)
    if address is None:
        wrong["github"] = "It must be a URL such as https://github.com or https://github.example.org, without a path."
        return None
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    if host.removeprefix("www.").removeprefix("api.") == "github.com":
        return Hub(GITHUB)
    if parts.scheme != "https" and host not in LOOPBACK_HOSTS:
        wrong["github"] = "It must use https, except on this machine: GitHub sends the App's private key this way."
        return None
    return Hub(address)


def _public_url(text: str, hub: Hub | None, wrong: dict[str, str]) -> str:
    address = _plain(text.strip().removesuffix("/webhook"), path=True)
    if address is None:
        wrong["public_url"] = (
            "It must be a URL such as https://modelyard.example.org, at which GitHub reaches this App."
        )
        return ""
    parts = urlsplit(address)
    if hub is not None and not hub.is_local and (parts.scheme != "https" or parts.hostname in LOOPBACK_HOSTS):
        wrong["public_url"] = (
            "It must use https and be reachable from GitHub, which sends webhooks there. If GitHub cannot reach you, enter any "
            "https URL of yours and start the App with: modelyard serve --poll"
        )
    return address


def _plain(text: str, *, path: bool = False) -> str | None:
    """Return an http(s) URL without unexpected parts, or None."""
    if not text.isascii() or not text.isprintable() or any(sign in text for sign in " \"'<>\\"):
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return None
    if parts.username is not None or parts.query or parts.fragment:
        return None
    rest = parts.path.rstrip("/")
    if rest == "/api/v3":
        rest = ""
    if rest and not path:
        return None
    return f"{parts.scheme}://{parts.netloc}{rest}"
