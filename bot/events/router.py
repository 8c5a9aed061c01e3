"""Maps webhook events to the functions that handle them. The functions are in ``bot.events.handlers``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from actions.contracts.person import Person
from bot.events.services import Services
from bot.github import Repository
from bot.webhooks.delivery import Delivery


@dataclass(frozen=True)
class Event:
    """A delivery with its payload decoded, and what a handler needs to act on it."""

    delivery: Delivery
    payload: Mapping[str, Any]
    services: Services

    @cached_property
    def repository(self) -> Repository:
        """The repository that the event concerns."""
        if not self.delivery.repository or not self.delivery.installation:
            raise ValueError(f"{self.delivery.event} concerns no repository")
        return self.services.github.repository(self.delivery.repository, self.delivery.installation)

    @property
    def sender(self) -> Person:
        """The account that caused the event."""
        sender = self.payload["sender"]
        return Person(login=sender["login"], id=sender.get("id", 0))

    @property
    def is_from_person(self) -> bool:
        """Whether a person caused the event, rather than an App or a workflow."""
        return bool(self.payload["sender"].get("type") == "User")

    @property
    def issue_number(self) -> int:
        return int(self.payload["issue"]["number"])

    @property
    def issue_body(self) -> str | None:
        """The issue's text at the time of the event, which people saw when they caused it; None if it is unknown."""
        issue = self.payload["issue"]
        return str(issue["body"] or "") if "body" in issue else None

    @property
    def issue_updated(self) -> datetime | None:
        """When the issue was last changed at the time of the event, by GitHub's clock."""
        updated = self.payload["issue"].get("updated_at")
        return datetime.fromisoformat(updated) if updated else None


Handler = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True)
class _Route:
    actions: frozenset[str]
    needs_repository: bool
    handle: Handler

    def matches(self, delivery: Delivery) -> bool:
        if self.actions and delivery.action not in self.actions:
            return False
        return not self.needs_repository or bool(delivery.repository and delivery.installation)


class EventRouter:
    """Calls the handlers that are registered for an event.

    Examples
    --------
    >>> router = EventRouter()
    >>> @router.on("issues", "closed", "deleted")
    ... async def withdraw(event: Event) -> None: ...
    >>> router.events
    frozenset({'issues'})
    """

    def __init__(self) -> None:
        self._routes: dict[str, list[_Route]] = {}

    def on(self, event: str, *actions: str, needs_repository: bool = True) -> Callable[[Handler], Handler]:
        """Register a handler for an event, for the given actions or else for all of them.

        Deliveries without a repository and an installation are skipped unless ``needs_repository`` is false.
        """

        def register(handler: Handler) -> Handler:
            self._routes.setdefault(event, []).append(_Route(frozenset(actions), needs_repository, handler))
            return handler

        return register

    @property
    def events(self) -> frozenset[str]:
        """The events that have a handler."""
        return frozenset(self._routes)

    async def dispatch(self, event: Event) -> None:
        """Call the handlers of an event, one after the other. Unknown events and actions have none."""
        for route in self._routes.get(event.delivery.event, []):
            if route.matches(event.delivery):
                await route.handle(event)


router = EventRouter()
