"""Events in repositories, sent to listeners in this process and to the Apps' webhooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runners.local.hub.permissions import Actor
from runners.local.hub.records import Repository

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub


@dataclass(frozen=True)
class Event:
    """One event with its webhook payload (without ``installation``, which differs by App)."""

    name: str
    action: str | None
    repository: Repository | None
    payload: Mapping[str, Any]


Listener = Callable[[Event], None]


class Events:
    """Calls listeners first, then stores one webhook delivery for each App that subscribes to the event."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` for every event, in the thread that caused it; it must return at once."""
        self._listeners.append(listener)

    def emit(
        self,
        name: str,
        actor: Actor,
        *,
        action: str | None = None,
        repository: Repository | None = None,
        **parts: Any,
    ) -> None:
        """Emit an event. ``parts`` are the event's own objects, such as ``issue={...}``.

        Call it inside the transaction of the change, so that both are kept or neither.
        """
        from runners.local.hub.rest import shapes

        payload: dict[str, Any] = {"action": action} if action else {}
        payload |= parts
        if repository is not None:
            payload["repository"] = shapes.repository(self._hub, repository)
        if actor.user is not None:
            payload["sender"] = shapes.user(self._hub, actor.user)
        event = Event(name, action, repository, payload)
        for listener in self._listeners:
            listener(event)
        self._hub.webhooks.enqueue(event)
