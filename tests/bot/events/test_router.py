"""The router calls the handlers of an event, and no others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import anyio
import pytest

from bot.events.router import Event, EventRouter
from bot.events.services import Services
from bot.webhooks.delivery import Delivery


def delivery(event: str, action: str | None, repository: str | None = "owner/models") -> Delivery:
    return Delivery("1", event, action, repository, 7, b"{}", datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    ("received", "called"),
    [
        (delivery("issues", "closed"), ["closed"]),
        (delivery("issues", "opened"), []),
        (delivery("push", None), ["push"]),
        (delivery("push", None, repository=None), []),
        (delivery("installation", "deleted", repository=None), ["installation"]),
        (delivery("unknown", "closed"), []),
    ],
    ids=["action", "other action", "any action", "no repository", "needs none", "unknown event"],
)
def test_an_event_reaches_the_handlers_that_registered_for_it(received: Delivery, called: list[str]) -> None:
    router, calls = EventRouter(), list[str]()

    @router.on("issues", "closed", "deleted")
    async def closed(_: Event) -> None:
        calls.append("closed")

    @router.on("push")
    async def push(_: Event) -> None:
        calls.append("push")

    @router.on("installation", needs_repository=False)
    async def installation(_: Event) -> None:
        calls.append("installation")

    anyio.run(router.dispatch, Event(received, {}, cast("Services", None)))
    assert calls == called
    assert router.events == {"issues", "push", "installation"}
