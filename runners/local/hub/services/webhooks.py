"""Signed deliveries to the Apps' webhooks: in order per repository, one attempt each, all recorded."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runners.local.hub.records import App, Delivery, Installation, now
from runners.local.hub.rest import shapes

if TYPE_CHECKING:
    import httpx

    from runners.local.hub.events import Event
    from runners.local.hub.hub import Hub

TIME_OUT = 10.0
KEPT_RESPONSE = 64 * 1024
ALWAYS = frozenset({"installation", "installation_repositories", "ping"})
"""Events that every App receives without subscribing."""


class Webhooks:
    """Stores deliveries when events happen, and sends them in the background while the hub serves."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._senders: dict[int | None, asyncio.Task[None]] = {}
        self._waiting: set[int | None] = set()

    # --- storing -----------------------------------------------------------------------------------------------------

    def enqueue(self, event: Event) -> None:
        """Store one delivery per App that subscribes to the event, as part of the open transaction."""
        for installation in self._hub.installations.find():
            if installation.suspended_at is not None:
                continue
            subscribed = event.name in ALWAYS or event.name in installation.events
            if subscribed and event.repository is not None and event.repository.id in installation.repository_ids:
                short = {"id": installation.id, "node_id": shapes.node_id("Installation", installation.id)}
                payload = {**event.payload, "installation": short}
                self.tell(self._hub.apps.need(installation.app_id), event.name, payload, installation)

    def ping(self, app: App) -> None:
        """Store the ``ping`` of a new webhook."""
        hook = {"type": "App", "id": app.id, "name": "web", "active": True, "events": app.events, "app_id": app.id}
        self.tell(app, "ping", {"zen": "Open an issue, get a model.", "hook_id": app.id, "hook": hook}, None)

    def redeliver(self, delivery: Delivery) -> Delivery:
        """Store a redelivery: same id, event and body."""
        fresh = Delivery(
            app_id=delivery.app_id,
            guid=delivery.guid,
            event=delivery.event,
            action=delivery.action,
            redelivery=True,
            installation_id=delivery.installation_id,
            repository_id=delivery.repository_id,
            payload=delivery.payload,
        )
        return self._add(fresh)

    def tell(self, app: App, event: str, payload: Mapping[str, Any], installation: Installation | None) -> None:
        """Store one delivery for an App, if it has a webhook."""
        if not self._hub.config.webhooks_enabled or not app.webhook_url:
            return
        repository = payload.get("repository")
        self._add(
            Delivery(
                app_id=app.id,
                guid=str(uuid.uuid4()),
                event=event,
                action=payload.get("action"),
                installation_id=installation.id if installation else None,
                repository_id=repository["id"] if repository else None,
                payload=json.dumps(payload, ensure_ascii=False),
            )
        )

    def _add(self, delivery: Delivery) -> Delivery:
        stored = self._hub.deliveries.add(delivery)
        loop = self._loop
        if loop is not None and not loop.is_closed():
            # The sender reads the table under the store's lock, so it waits for the transaction that stored this.
            loop.call_soon_threadsafe(self._wake, stored.repository_id)
        return stored

    # --- sending -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start sending; deliveries stored earlier and never sent go first."""
        import httpx

        self._loop = asyncio.get_running_loop()
        self._client = httpx.AsyncClient(timeout=TIME_OUT, trust_env=False)
        for repository_id in {item.repository_id for item in self._hub.deliveries.find(state="pending")}:
            self._wake(repository_id)

    async def stop(self) -> None:
        """Stop sending; deliveries in progress stay pending and are sent after the next start."""
        self._loop = None
        senders = list(self._senders.values())
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def _wake(self, repository_id: int | None) -> None:
        self._waiting.add(repository_id)
        running = self._senders.get(repository_id)
        if self._client is not None and (running is None or running.done()):
            self._senders[repository_id] = asyncio.create_task(self._send_all(self._client, repository_id))

    async def _send_all(self, client: httpx.AsyncClient, repository_id: int | None) -> None:
        # If woken while it looks, it looks again: nothing else runs between the last look and the return.
        while repository_id in self._waiting:
            self._waiting.discard(repository_id)
            while found := await asyncio.to_thread(self._pending, repository_id):
                for delivery in found:
                    sent = await self._attempt(client, delivery)
                    await asyncio.to_thread(self._hub.deliveries.save, sent)

    def _pending(self, repository_id: int | None) -> list[Delivery]:
        return self._hub.deliveries.find(state="pending", repository_id=repository_id, limit=20)

    async def _attempt(self, client: httpx.AsyncClient, delivery: Delivery) -> Delivery:
        import httpx

        app = self._hub.apps.need(delivery.app_id)
        body = delivery.payload.encode()
        headers = request_headers(app, delivery, body, installation_target=app.id)
        begun = time.perf_counter()
        sent = replace(delivery, url=app.webhook_url, request_headers=headers, state="done", delivered_at=now())
        try:
            async with asyncio.timeout(TIME_OUT):
                response = await client.post(app.webhook_url, content=body, headers=headers)
        except (TimeoutError, httpx.TimeoutException):
            return replace(sent, status="timed out", duration=_since(begun))
        except httpx.HTTPError as error:
            return replace(sent, status="failed to connect to host", response_body=str(error), duration=_since(begun))
        return replace(
            sent,
            status="OK" if response.is_success else f"Invalid HTTP Response: {response.status_code}",
            status_code=response.status_code,
            response_headers=dict(response.headers),
            response_body=response.text[:KEPT_RESPONSE],
            duration=_since(begun),
        )


def request_headers(app: App, delivery: Delivery, body: bytes, *, installation_target: int) -> dict[str, str]:
    """Return the headers of a delivery, signed with the App's secret."""
    signed = {
        f"X-Hub-Signature{suffix}": f"{name}=" + hmac.new(app.webhook_secret.encode(), body, name).hexdigest()
        for suffix, name in (("", "sha1"), ("-256", "sha256"))
    }
    return {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/local",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(app.id),
        "X-GitHub-Hook-Installation-Target-ID": str(installation_target),
        "X-GitHub-Hook-Installation-Target-Type": "integration",
        **signed,
    }


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 3)
