"""What happened in a repository, as the Apps' webhooks tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runners.local.hub.access import Actor
from runners.local.hub.records import Repository

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub


@dataclass(frozen=True)
class Event:
    """One event, with the body that webhooks carry (without ``installation``, which differs by App)."""

    name: str
    repository: Repository | None
    payload: Mapping[str, Any]


class Events:
    """Stores one webhook delivery of an event for each App that subscribes to it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def emit(
        self,
        name: str,
        actor: Actor,
        *,
        action: str | None = None,
        repository: Repository | None = None,
        **parts: Any,
    ) -> None:
        """Tell that something happened. ``parts`` are the event's own objects, such as ``issue={...}``.

        Call it inside the transaction of the change itself: then both are kept, or neither.
        """
        from runners.local.hub import shapes

        payload: dict[str, Any] = {"action": action} if action else {}
        payload |= parts
        if repository is not None:
            payload["repository"] = shapes.repository(self._hub, repository)
        if actor.user is not None:
            payload["sender"] = shapes.user(self._hub, actor.user)
        self._hub.webhooks.enqueue(Event(name, repository, payload))
