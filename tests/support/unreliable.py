"""A transport that loses, breaks or replaces answers, and remembers every request that went out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

Fault = Callable[[httpx.Request, httpx.Response | None], httpx.Response]


@dataclass
class Trouble:
    """What happens to the next ``times`` requests that match.

    Attributes
    ----------
    method, path
        Which requests; the path is a regular expression that is searched for.
    fault
        Makes the answer, or raises.
    delivered
        Whether the request reaches the other side before its answer is lost.
    """

    method: str
    path: str
    fault: Fault
    delivered: bool
    times: int = 1


@dataclass
class Unreliable(httpx.AsyncBaseTransport):
    """Passes requests on to ``inner``, but for those that have trouble."""

    inner: httpx.AsyncBaseTransport = field(default_factory=httpx.AsyncHTTPTransport)
    troubles: list[Trouble] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        trouble = next((known for known in self.troubles if _matches(known, request)), None)
        if trouble is None:
            return await self.inner.handle_async_request(request)
        trouble.times -= 1
        if trouble.fault is lagging:
            answer = await self.inner.handle_async_request(request)
            await asyncio.sleep(LAG)
            return answer
        if trouble.fault is stalled:
            await asyncio.Event().wait()
        if not trouble.delivered:
            return trouble.fault(request, None)
        answer = await self.inner.handle_async_request(request)
        await answer.aread()
        return trouble.fault(request, answer)

    async def aclose(self) -> None:
        await self.inner.aclose()

    def add(self, method: str, path: str, fault: Fault, *, delivered: bool = False, times: int = 1) -> None:
        self.troubles.append(Trouble(method, path, fault, delivered, times))

    def count(self, method: str, path: str) -> int:
        """Return how many requests of a method went out to a path (a regular expression that is searched for)."""
        return sum(request.method == method and bool(re.search(path, request.url.path)) for request in self.requests)

    def writes(self, path: str = "") -> list[str]:
        """Return the writes that went out, but for tokens, as ``METHOD last-part``."""
        return [
            f"{request.method} {request.url.path.rpartition('/')[2]}"
            for request in self.requests
            if request.method not in {"GET", "HEAD"}
            and "access_tokens" not in request.url.path
            and re.search(path, request.url.path)
        ]


def _matches(trouble: Trouble, request: httpx.Request) -> bool:
    return (
        trouble.times > 0 and trouble.method == request.method and re.search(trouble.path, request.url.path) is not None
    )


LAG = 1.0


def lagging(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
    """Answer rightly, a second later."""
    raise AssertionError("the transport waits instead")


def stalled(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
    """Never answer."""
    raise AssertionError("the transport waits instead")


def timed_out(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
    raise httpx.ReadTimeout("the answer did not come", request=request)


def reset(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
    raise httpx.ReadError("connection reset by peer", request=request)


def unreachable(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


def cut_off(_: httpx.Request, answer: httpx.Response | None) -> httpx.Response:
    content = answer.content if answer else b'{"id": 1}'
    return httpx.Response(200, content=content[: len(content) // 2], headers={"content-type": "application/json"})


def answering(status: int, body: object = None, **headers: str) -> Fault:
    """Make a fault that answers with a status and JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request, _answer: httpx.Response(status, json=body or {"message": "No."}, headers=named)


refuse, gone, away = answering(403), answering(404), answering(502)
"""Faults that say no, that there is nothing, and that GitHub is away."""
