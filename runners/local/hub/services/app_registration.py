"""Registers an App from a manifest: a browser posts the manifest, a person confirms, a code is exchanged once.

Pending registrations are kept in memory only, because they contain the App's private key, and expire after an hour.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import urlencode, urlsplit

from runners.local.hub.errors import ApiError
from runners.local.hub.records import App, User

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

HOUR: Final = 3_600
MOST: Final = 100
"""Maximum of pending registrations: any web page can start one."""
MAX_MANIFEST_BYTES: Final = 64_000
MAX_NAME: Final = 34
LEVELS: Final = ("read", "write", "admin")
T = TypeVar("T")


@dataclass(frozen=True)
class Manifest:
    """The fields of a manifest that GitHub uses."""

    name: str
    url: str
    webhook_url: str
    redirect_url: str
    permissions: dict[str, str]
    events: list[str]
    active: bool = True


@dataclass(frozen=True)
class Pending:
    """A manifest that waits for confirmation."""

    manifest: Manifest
    owner: str
    """The organisation's login; empty for the person who confirms."""
    state: str


@dataclass(frozen=True)
class Registered:
    """A new App whose code has not been exchanged yet."""

    app: App
    private_key: str = field(repr=False)
    client_secret: str = field(repr=False)


class _Kept(Generic[T]):
    """Values by unguessable keys, each for an hour."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._things: dict[str, tuple[float, T]] = {}

    def add(self, thing: T) -> str:
        while len(self._things) >= MOST:
            self._things.pop(next(iter(self._things)))
        name = secrets.token_hex(20)
        self._things[name] = (self._clock() + HOUR, thing)
        return name

    def get(self, name: str) -> T | None:
        until, thing = self._things.get(name, (0.0, None))
        return thing if self._clock() <= until else None

    def take(self, name: str) -> T | None:
        thing = self.get(name)
        self._things.pop(name, None)
        return thing


class Registrations:
    """Pending manifests and issued codes.

    Parameters
    ----------
    hub
        The hub that creates Apps.
    clock
        Returns the time in seconds.
    """

    def __init__(self, hub: Hub, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self.pending: _Kept[Pending] = _Kept(clock)
        self._codes: _Kept[Registered] = _Kept(clock)

    def register(self, request: str, owner: User) -> str:
        """Create the App of a pending manifest; return the URL to redirect to, with code and state."""
        found = self.pending.get(request)
        if found is None:
            raise ApiError(404, "This request is unknown, already confirmed, or older than an hour.")
        manifest = found.manifest
        slug = slug_of(manifest.name)
        if self._hub.apps.first(slug=slug):
            raise ApiError(422, f"Name {manifest.name} is already taken: there is an App {slug}.")
        app, key = self._hub.register_app(
            slug,
            name=manifest.name,
            owner=owner.login,
            webhook_url=manifest.webhook_url if manifest.active else "",
            webhook_secret=secrets.token_hex(20),
            permissions=manifest.permissions,
            events=manifest.events,
        )
        self.pending.take(request)
        code = self._codes.add(Registered(app, key or "", secrets.token_hex(20)))
        joint = "&" if urlsplit(manifest.redirect_url).query else "?"
        answer = {"code": code, **({"state": found.state} if found.state else {})}
        return f"{manifest.redirect_url}{joint}{urlencode(answer)}"

    def exchange(self, code: str) -> Registered | None:
        """Return the App of a code, once."""
        return self._codes.take(code)


def slug_of(name: str) -> str:
    """Return an App's name as used in URLs.

    Examples
    --------
    >>> slug_of("Our Modelyard!")
    'our-modelyard'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def read_manifest(text: str) -> Manifest:
    """Read a manifest; ApiError 422 names what GitHub would refuse."""
    try:
        given = json.loads(text) if len(text) <= MAX_MANIFEST_BYTES else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise _wrong("it is not a JSON object")
    hook = given.get("hook_attributes", {})
    permissions, events = given.get("default_permissions", {}), given.get("default_events", [])
    if not isinstance(hook, dict):
        raise _wrong("hook_attributes is no object")
    if not isinstance(permissions, dict) or not all(level in LEVELS for level in permissions.values()):
        raise _wrong("default_permissions is not an object with the values read, write or admin")
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        raise _wrong("default_events is not a list of names")
    name = given.get("name")
    if not isinstance(name, str) or not slug_of(name) or len(name) > MAX_NAME:
        raise _wrong(f"name is not a text of 1 to {MAX_NAME} characters with a letter or a digit")
    return Manifest(
        name=name,
        url=_address(given, "url"),
        webhook_url=_address(hook, "url") if hook else "",
        redirect_url=_address(given, "redirect_url"),
        permissions=permissions,
        events=events,
        active=hook.get("active", True) is not False,
    )


def _address(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    parts = urlsplit(value) if isinstance(value, str) and value.isprintable() and " " not in value else None
    if not isinstance(value, str) or parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise _wrong(f"{name} is not an http(s) URL")
    return value


def _wrong(what: str) -> ApiError:
    return ApiError(422, f"Error: the manifest cannot be used: {what}.")
