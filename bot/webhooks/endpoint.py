"""``POST /webhook``: verify, store, answer 202. Nothing else happens in the request; the worker takes it from there."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus

from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bot.clock import utc_now
from bot.webhooks import delivery
from bot.webhooks.batching import Inbox, InboxBatch
from bot.webhooks.delivery import Delivery, RefusedDelivery, Taken

log = logging.getLogger(__name__)

MOST_BYTES = 25 * 1024 * 1024
"""GitHub sends no more."""
MOST_BYTES_IN_FLIGHT = 128 * 1024 * 1024
"""Of all unfinished requests together: nobody has shown a right signature yet."""
READ_SECONDS = 10.0
"""In this time a body has to be there: GitHub itself gives up after it."""
STORE_SECONDS = 8.0


class Webhooks:
    """The endpoint. ``counts`` says how often each answer was given, and ``counts["event:NAME"]`` which events came.

    Parameters
    ----------
    inbox
        Keeps deliveries; called in a thread.
    secret
        What GitHub signs with.
    wake
        Set when something was stored.
    clock
        Says what time it is (UTC).
    read_seconds
        In this time a body has to be there.
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
        self.counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one delivery, as an ASGI application."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        response = await self._answer(headers, receive)
        await response(scope, receive, send)

    async def _answer(self, headers: Mapping[bytes, str], receive: Receive) -> Response:
        name = headers.get(b"x-github-delivery", "")
        try:
            result = await self._take(headers, receive)
        except RefusedDelivery as refused:
            self.counts[refused.reason] += 1
            # The body is not logged, and of the id only what is a well-formed one: nobody has vouched for either.
            log.warning("webhook refused: %s, delivery %.100r", refused.reason, name)
            # What was not read is in the way of the next request.
            more = {"connection": "close"}
            if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
                more["retry-after"] = "10"
            return JSONResponse({"error": refused.reason}, refused.status, more)
        self.counts[result] += 1
        return JSONResponse({"delivery": name, "result": result}, HTTPStatus.ACCEPTED)

    async def _take(self, headers: Mapping[bytes, str], receive: Receive) -> str:
        event, name = headers.get(b"x-github-event", ""), headers.get(b"x-github-delivery", "")
        # Read as Latin-1, so this gives back the bytes that came.
        signature = headers.get(b"x-hub-signature-256", "").encode("latin-1")
        delivery.check_headers(event, name)
        if not delivery.is_well_formed_signature(signature):
            raise RefusedDelivery(HTTPStatus.UNAUTHORIZED, "signature_missing")
        body = await self._body(headers.get(b"content-length", ""), receive)
        if not delivery.is_signed(body, signature, self._secret):
            raise RefusedDelivery(HTTPStatus.UNAUTHORIZED, "signature_wrong")
        text = delivery.unwrapped(body, headers.get(b"content-type", ""))
        taken = delivery.read(name, event, text, self._clock())
        self.counts[f"event:{event}"] += 1
        if not delivery.is_used(taken):
            return "ignored"
        result = await self._store(taken)
        if result == "stored":
            self._wake.set()
        log.info("webhook %s %s.%s %s", name, event, taken.action, result)
        return result

    async def _body(self, announced: str, receive: Receive) -> bytes:
        """Read the body as it comes, never holding more than may be."""
        if announced.isdecimal() and int(announced[:20]) > MOST_BYTES:
            raise _too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._read_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusedDelivery(HTTPStatus.BAD_REQUEST, "body_incomplete")
                    piece = message.get("body", b"")
                    more = message.get("more_body", False)
                    self._in_flight += len(piece)
                    body += piece
                    if len(body) > MOST_BYTES:
                        raise _too_large()
                    if self._in_flight > MOST_BYTES_IN_FLIGHT:
                        raise RefusedDelivery(HTTPStatus.SERVICE_UNAVAILABLE, "busy")
        except TimeoutError:
            raise RefusedDelivery(HTTPStatus.REQUEST_TIMEOUT, "body_too_slow") from None
        finally:
            self._in_flight -= len(body)
        return bytes(body)

    async def _store(self, taken: Delivery) -> Taken:
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await self._inbox.take_in(taken)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            # Whether it was stored in the end does not matter: its id keeps a redelivery from counting twice.
            log.warning("webhook %s could not be stored: %s", taken.id, error)
            raise RefusedDelivery(HTTPStatus.SERVICE_UNAVAILABLE, "not_stored") from None


def _too_large() -> RefusedDelivery:
    return RefusedDelivery(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large")
