"""Breaks responses of the REST API as GitHub's sometimes break: as planned, or at random.

``hub.faults.add("POST", "/dispatches$", Kind.BROKEN, executed=True)`` breaks the response to the next such request after
executing it. Faults are counted: ``hub.faults.counts``.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runners.local.hub.errors import ApiError
from runners.local.hub.rest.framework import PREFIX

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

SLOW_SECONDS = 1.0
PLANNED = "X-Local-Hub-Fault"
"""A header that distinguishes a planned 502 from a bug in the hub."""
RETRY_AFTER = 1
"""Duration of a rate limit in seconds."""
TOKEN_LASTS = 5.0
"""A random token expiry happens at the earliest this many seconds after its first use: a new token never expires."""


class Kind(StrEnum):
    """How a response can fail."""

    TOO_MANY = "429"
    SECONDARY = "secondary rate limit"
    EXPIRED = "token expired"
    BROKEN = "502"
    SILENT = "never answered"
    CLOSED = "connection closed"
    CUT = "body cut short"
    SLOW = "slow"


REFUSALS = {
    Kind.TOO_MANY: ApiError(429, "API rate limit exceeded"),
    Kind.SECONDARY: ApiError(403, "You have exceeded a secondary rate limit. Please wait a few minutes."),
    Kind.EXPIRED: ApiError(401, "Bad credentials"),
}
"""Responses sent instead of executing the request."""
ANSWERED = (Kind.CUT, Kind.SLOW)
"""Faults that need a response to truncate or withhold: the request is always executed."""


@dataclass
class Fault:
    """A fault of the next ``times`` requests that match; ``path`` is a regular expression."""

    method: str
    path: re.Pattern[str]
    kind: Kind
    executed: bool
    times: int


class Faults:
    """The planned faults of one hub. Thread-safe."""

    def __init__(self) -> None:
        self.active = False
        self.counts: Counter[Kind] = Counter()
        self._planned: list[Fault] = []
        self._rate = 0.0
        self._random = random.Random()  # noqa: S311 - no secret
        self._first_used: dict[str, float] = {}

    def add(self, method: str, path: str, kind: Kind, *, executed: bool = False, times: int = 1) -> None:
        """Plan a fault; ``executed`` tells whether the request is executed before its response is lost."""
        executed = kind not in REFUSALS and (executed or kind in ANSWERED)
        self._planned = [*self._planned, Fault(method, re.compile(path), kind, executed, times)]
        self.active = True

    def at_random(self, rate: float, seed: int) -> None:
        """Break a share of all requests except people's, each in a random way."""
        self._rate, self._random = rate, random.Random(seed)  # noqa: S311 - no secret
        self.active = True

    def clear(self) -> None:
        """Remove all planned faults and reset the counts."""
        self._planned, self._rate, self.active = [], 0.0, False
        self.counts = Counter()

    def next(self, method: str, path: str, authorization: str) -> Fault | None:
        """Return the fault of this request, if any, and count it."""
        found = self._by_plan(method, path) or self._by_chance(method, authorization)
        if found is not None:
            self.counts[found.kind] += 1
        return found

    def _by_plan(self, method: str, path: str) -> Fault | None:
        for fault in self._planned:
            if fault.times and fault.method == method and fault.path.search(path):
                fault.times -= 1
                return fault
        return None

    def _by_chance(self, method: str, authorization: str) -> Fault | None:
        token = authorization.rpartition(" ")[2]
        if not self._rate or token.startswith("ghp_"):
            return None
        used = time.monotonic() - self._first_used.setdefault(token, time.monotonic())
        if self._random.random() >= self._rate:
            return None
        expires = token.startswith("ghs_") and used > TOKEN_LASTS
        kind = self._random.choice([each for each in Kind if expires or each is not Kind.EXPIRED])
        executed = kind not in REFUSALS and (kind in ANSWERED or self._random.choice((True, False)))
        return Fault(method, re.compile(""), kind, executed, 1)


class FaultyAnswers:
    """The application with its faults applied."""

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app = app
        self._faults = hub.faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._fault_of(scope) if self._faults.active else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        if fault.executed:
            await self._app(scope, receive, keep)
        await _break(fault.kind, answer, scope, receive, send)

    def _fault_of(self, scope: Scope) -> Fault | None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            return None
        authorization = Headers(scope=scope).get("authorization", "")
        return self._faults.next(scope["method"], scope["path"], authorization)


async def _break(kind: Kind, answer: list[Message], scope: Scope, receive: Receive, send: Send) -> None:
    if kind is Kind.SILENT:
        await _until_closed(receive)
    elif kind is Kind.CLOSED:
        _close(send)
        await _until_closed(receive)
    elif kind is Kind.BROKEN:
        broken = JSONResponse(ApiError(502, "Server Error").body(), 502, {PLANNED: "yes"})
        await broken(scope, receive, send)
    elif kind is Kind.SLOW:
        await asyncio.sleep(SLOW_SECONDS)
        for message in answer:
            await send(message)
    elif kind is Kind.CUT:
        await _cut(answer, send)
        await _until_closed(receive)
    else:
        headers = {} if kind is Kind.EXPIRED else {"Retry-After": str(RETRY_AFTER)}
        error = REFUSALS[kind]
        await JSONResponse(error.body(), error.status, headers)(scope, receive, send)


async def _cut(answer: list[Message], send: Send) -> None:
    """Send the headers and half of the body, then close; a response without a body is dropped."""
    body = b"".join(message.get("body", b"") for message in answer[1:])
    if body:
        await send(answer[0])
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    _close(send)


async def _until_closed(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _close(send: Send) -> None:
    """Close the connection abruptly. ASGI cannot do that; uvicorn's object behind ``send`` has the socket."""
    cycle: Any = getattr(send, "__self__")  # noqa: B009 - a bound method of uvicorn's
    cycle.transport.close()
