"""``POST /webhook``: verify, store, answer 202. Nothing else happens in the request; the worker takes over from there."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bot.clock import utc_now
from bot.webhooks import delivery
from bot.webhooks.batching import Inbox, InboxBatch
from bot.webhooks.delivery import Delivery, InboxResult, RefusedDelivery

log = logging.getLogger(__name__)

MAX_BYTES = 25 * 1024 * 1024
"""GitHub's own limit for a payload."""
MAX_BYTES_IN_FLIGHT = 128 * 1024 * 1024
"""For all unfinished requests together: none of them has proved its signature yet."""
MAX_BYTES_PER_CLIENT = MAX_BYTES_IN_FLIGHT // 2
SMALL_BODY = 1024 * 1024
RESERVED_BYTES = 32 * 1024 * 1024
"""Of the bytes in flight, kept for small bodies: nearly all of GitHub's deliveries are."""
READ_SECONDS = 10.0
"""Time-out for receiving a body. GitHub itself gives up after this time."""
STORE_SECONDS = 8.0


class Webhooks:
    """The endpoint. ``counts`` has the number of answers by result or reason, and of events by ``event:NAME``.

    Parameters
    ----------
    inbox
        Stores deliveries; called in a thread.
    secret
        The secret that GitHub signs with.
    wake
        Set when a delivery was stored.
    clock
        Returns the time, in UTC.
    read_seconds
        Time-out for receiving a body.
    """

    def __init__(
        self,
        inbox: Inbox,
        secret: bytes,
        wake: asyncio.Event,
        *,
        clock: Callable[[], datetime] = utc_now,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._inbox = InboxBatch(inbox)
        self._secret = secret
        self._wake = wake
        self._clock = clock
        self._read_seconds = read_seconds
        self._in_flight = 0
        self._by_client: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one delivery, as an ASGI application."""
        response = await self.respond(Request(scope, receive))
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Answer one delivery.

        GitHub's delivery id makes it safe to send again: a delivery is stored once, and before it is acknowledged.
        """
        headers = {name: value.decode("latin-1") for name, value in request.scope["headers"]}
        delivery_id = headers.get(b"x-github-delivery", "")
        try:
            client = request.client.host if request.client else ""
            result = await self._accept(headers, request.receive, client)
        except RefusedDelivery as refused:
            self.counts[refused.reason] += 1
            # Unverified input is kept out of the log: no body, and the delivery id shortened and quoted.
            log.warning("webhook refused: %s, delivery %.100r", refused.reason, delivery_id)
            # The unread rest of the body would be taken for the next request.
            more = {"connection": "close"}
            if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
                more["retry-after"] = "10"
            return JSONResponse({"error": refused.reason}, refused.status, more)
        self.counts[result] += 1
        return JSONResponse({"delivery": delivery_id, "result": result}, HTTPStatus.ACCEPTED)

    async def _accept(self, headers: Mapping[bytes, str], receive: Receive, client: str) -> InboxResult:
        event, delivery_id = headers.get(b"x-github-event", ""), headers.get(b"x-github-delivery", "")
        # Decoded as Latin-1, so encoding restores the original bytes.
        signature = headers.get(b"x-hub-signature-256", "").encode("latin-1")
        delivery.check_headers(event, delivery_id)
        if not delivery.is_well_formed_signature(signature):
            raise RefusedDelivery("signature_missing")
        body = await self._body(headers.get(b"content-length", ""), receive, client)
        if not delivery.is_signed(body, signature, self._secret):
            raise RefusedDelivery("signature_wrong")
        text = delivery.unwrapped(body, headers.get(b"content-type", ""))
        received = delivery.read(delivery_id, event, text, self._clock())
        self.counts[f"event:{event}"] += 1
        if not delivery.is_used(received):
            return "ignored"
        result = await self._store(received)
        if result == "stored":
            self._wake.set()
        log.info("webhook %s %s.%s %s", delivery_id, event, received.action, result)
        return result

    async def _body(self, content_length: str, receive: Receive, client: str) -> bytes:
        """Read the body as it arrives, within the limits."""
        if content_length.isdecimal() and int(content_length[:20]) > MAX_BYTES:
            raise RefusedDelivery("body_too_large")
        body = bytearray()
        try:
            async with asyncio.timeout(self._read_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusedDelivery("body_incomplete")
                    chunk = message.get("body", b"")
                    more = message.get("more_body", False)
                    self._in_flight += len(chunk)
                    self._by_client[client] += len(chunk)
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise RefusedDelivery("body_too_large")
                    if self._is_full(len(body), client):
                        raise RefusedDelivery("busy")
        except TimeoutError:
            raise RefusedDelivery("body_too_slow") from None
        finally:
            self._in_flight -= len(body)
            self._by_client[client] -= len(body)
            if not self._by_client[client]:
                del self._by_client[client]
        return bytes(body)

    def _is_full(self, length: int, client: str) -> bool:
        """Return whether there is no room for a body of this length so far."""
        reserved = 0 if length <= SMALL_BODY else RESERVED_BYTES
        is_over_share = self._by_client[client] > MAX_BYTES_PER_CLIENT
        return is_over_share or self._in_flight > MAX_BYTES_IN_FLIGHT - reserved

    async def _store(self, received: Delivery) -> InboxResult:
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await self._inbox.add(received)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            # It may have been stored after all. Its id keeps a redelivery from counting twice.
            log.warning("webhook %s could not be stored: %s", received.id, error)
            raise RefusedDelivery("not_stored") from None
