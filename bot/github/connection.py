"""Requests to GitHub: githubkit with the App's key or an installation's token, time-outs, retries, a queue for writes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import githubkit
import httpx
from githubkit.auth import AppAuthStrategy, BaseAuthStrategy
from githubkit.cache import MemCacheStrategy
from githubkit.exception import GitHubException, RateLimitExceeded, RequestError, RequestFailed
from githubkit.retry import RetryChainDecision, RetryOption, RetryRateLimit, RetryServerError

from bot import kill_points
from bot.github import errors
from bot.github import models as values
from bot.github.traffic import Watch
from bot.github.write_queue import WriteQueue

API_VERSION = "2022-11-28"
"""The only version that GitHub Enterprise Server up to 3.20 knows; it answers any other one with 400."""
MAX_WAIT = 60.0
"""Seconds that a request waits for a rate limit. The caller waits for a longer one, without holding anything."""

_JITTER = random.Random()  # noqa: S311 - no secret
"""Separate from the module's generator, which tests seed."""
_SHORTEST_WAIT = timedelta(seconds=1)

MAX_PAGES = 200
MAX_RETRIES = 3
_READS = frozenset({"GET", "HEAD"})
_HEADERS = {"X-GitHub-Api-Version": API_VERSION}


@dataclass(frozen=True)
class Answer:
    """GitHub's response: its status and its JSON (None if it is empty)."""

    status: int
    data: Any


@dataclass(frozen=True)
class Wire:
    """How to reach GitHub; ``watch`` is called with each response."""

    base_url: str
    timeout: httpx.Timeout
    transport: httpx.AsyncBaseTransport | None
    time_factor: float
    watch: Watch


class Retry:
    """Which failed requests are retried: after a rate limit all of them, because nothing was done; otherwise only reads."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._rate_limit = RetryRateLimit(MAX_RETRIES)
        self._server_error = RetryServerError(MAX_RETRIES)

    def chain(self) -> RetryChainDecision:
        return RetryChainDecision(self.for_rate_limit, self.for_server_error, self.for_lost_answer)

    def for_rate_limit(self, error: GitHubException, count: int) -> RetryOption:
        decision = self._rate_limit(error, count)
        wait = decision.retry_after
        if not decision.do_retry or wait is None or wait.total_seconds() > MAX_WAIT:
            return RetryOption(False)
        return RetryOption(True, self._paced(wait))

    def for_server_error(self, error: GitHubException, count: int) -> RetryOption:
        if not _is_read(error) or _status(error) == HTTPStatus.NOT_IMPLEMENTED:
            return RetryOption(False)
        decision = self._server_error(error, count)
        if not decision.do_retry or decision.retry_after is None:
            return RetryOption(False)
        return RetryOption(True, self._paced(decision.retry_after))

    def for_lost_answer(self, error: GitHubException, count: int) -> RetryOption:
        is_lost = isinstance(error, RequestError) and errors.is_network_error(error.exc)
        if isinstance(error, RequestFailed) or not is_lost or count >= MAX_RETRIES or not _is_read(error):
            return RetryOption(False)
        return RetryOption(True, self._paced(timedelta(seconds=(count + 1) ** 2)))

    def _paced(self, wait: timedelta) -> timedelta:
        """Add up to a fifth, so that requests that failed together are not retried together.

        Never zero, as for a reset that has just passed: githubkit would take it for no wait given, and wait a minute.
        """
        return max(wait, _SHORTEST_WAIT) * self._factor * (1 + _JITTER.random() / 5)


def _status(error: GitHubException) -> int:
    return error.response.status_code if isinstance(error, RequestFailed) else 0


def _is_read(error: GitHubException) -> bool:
    try:
        request: httpx.Request = error.request if isinstance(error, RequestFailed) else error.exc.request  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # an error without a request
        return False
    return request.method in _READS


class _Client(githubkit.GitHub[Any]):
    """githubkit with a single HTTP client.

    githubkit keeps the client of ``async with`` in a context variable. A task started elsewhere does not see it and opens a
    new one for every call, which takes ten times as long.
    """

    _kept: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def get_async_client(self) -> AsyncGenerator[httpx.AsyncClient, None]:
        if self._kept is None:
            self._kept = await self._create_async_client()
        yield self._kept

    async def close(self) -> None:
        if self._kept is not None:
            await self._kept.aclose()


def _client(auth: BaseAuthStrategy, wire: Wire) -> _Client:
    async def answered(response: httpx.Response) -> None:
        wire.watch(response)

    return _Client(
        auth,
        base_url=wire.base_url,
        user_agent="modelyard",
        timeout=wire.timeout,
        async_transport=wire.transport,
        async_event_hooks={"response": [answered]},
        # githubkit's default store is shared by the whole process, where an App's JWT would outlive its key.
        cache_strategy=MemCacheStrategy(),
        http_cache=False,
        auto_retry=Retry(wire.time_factor).chain(),
    )


class Connection:
    """Sends requests with one identity: the App's, an installation's or a token owner's.

    Parameters
    ----------
    auth
        The identity.
    wire
        Address, time-outs and transport.
    writes
        The queue in which each write waits for its turn.
    next_steps
        What an error suggests, by status, if it is not what helps an App.
    """

    def __init__(
        self, auth: BaseAuthStrategy, wire: Wire, writes: WriteQueue, next_steps: Mapping[int, str] | None = None
    ) -> None:
        self._client = _client(auth, wire)
        self._next_steps = next_steps or {}
        self._base_url = wire.base_url.rstrip("/") + "/"
        self._watch = wire.watch
        self.writes = writes

    async def close(self) -> None:
        await self._client.close()

    async def get(self, path: str, **params: object) -> Any:
        """Return the JSON of a response."""
        answer = await self._send("GET", path, params=_present(params))
        return answer.data

    async def get_or_none(self, path: str, **params: object) -> Any:
        """Return the JSON of a response; None if there is nothing (404)."""
        try:
            return await self.get(path, **params)
        except errors.HubError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def tag(self, path: str, known: str, **params: object) -> str:
        """Return the ETag of the current content. If it is the known one, the request does not count against the rate limit."""
        headers = {"If-None-Match": known} if known else {}
        response = await self._response("GET", path, params=_present(params), headers=headers)
        tag: str = response.headers.get("etag", "")
        return tag

    async def pages(self, path: str, key: str | None = None, **params: object) -> AsyncGenerator[Any, None]:
        """Yield the items of a list, page by page according to the ``Link`` header; ``key`` names the list within an object."""
        url = path
        query: Mapping[str, str | int] | None = {"per_page": 100, **_present(params)}
        for _ in range(MAX_PAGES):
            response = await self._response("GET", url, params=query)
            data = _json(response, f"GET {path}", is_write=False)
            page = data.get(key) if key and isinstance(data, dict) else data
            for item in page if isinstance(page, list) else []:
                if isinstance(item, Mapping):
                    yield item
            url = response.links.get("next", {}).get("url", "")
            query = None
            if not url:
                return
            if not url.startswith(self._base_url):
                # The token must only go to GitHub, whatever a header says.
                raise errors.malformed(f"GET {path}", "the next page is on another host")

    async def write(self, method: str, path: str, body: object = None, *, quiet: tuple[int, ...] = ()) -> Answer:
        """Send one write when its turn comes; an error status in ``quiet`` is returned rather than raised."""
        async with self.writes.turn():
            kill_points.hit("write.before")
            answer = await self.write_without_turn(method, path, body, quiet=quiet)
            kill_points.hit("write.after")
            return answer

    async def write_without_turn(
        self, method: str, path: str, body: object = None, *, quiet: tuple[int, ...] = ()
    ) -> Answer:
        """Send one POST that GitHub does not count as content, or whose turn the caller has."""
        try:
            return await self._send(method, path, json=body)
        except errors.HubError as error:
            if error.status in quiet:
                return Answer(error.status or 0, None)
            raise

    async def consume(self, path: str, take: Callable[[bytes], None], *, max_seconds: float) -> None:
        """Pass a long response to ``take`` chunk by chunk, within ``max_seconds``.

        A redirect is followed; on another host it gets no token (httpx drops it).
        """
        response = await self._response("GET", path, stream=True)
        try:
            async with asyncio.timeout(max_seconds):
                async for chunk in response.aiter_bytes():
                    take(chunk)
        except (httpx.HTTPError, TimeoutError) as error:
            raise errors.lost(f"GET {path}", error, is_write=False) from None
        finally:
            await response.aclose()

    async def _send(self, method: str, path: str, **options: Any) -> Answer:
        response = await self._response(method, path, **options)
        return Answer(response.status_code, _json(response, f"{method} {path}", is_write=method not in _READS))

    async def _response(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        request = f"{method} {path.partition('?')[0]}"
        is_write = method not in _READS
        try:
            response = await self._client.arequest(method, path, headers={**_HEADERS, **(headers or {})}, **options)
        except RateLimitExceeded as error:
            wait = error.retry_after.total_seconds()
            raise errors.rate_limited(request, error.response.status_code, wait) from None
        except RequestFailed as error:
            status, message = _status(error), errors.words(error.response.content)
            if errors.is_rate_limit(status, message):
                raise errors.rate_limited(request, status, None) from None
            raise errors.from_status(
                request, status, message, is_write=is_write, next_step=self._next_steps.get(status)
            ) from None
        except RequestError as error:
            cause = error.exc
            if errors.is_network_error(cause):
                self._watch(None)
                raise errors.lost(request, cause, is_write=is_write) from None
            raise cause from None  # an error of ours, raised while the request was made
        if response.raw_response.request.method != method:
            # A POST that is redirected to where the issue was moved becomes a GET, which writes nothing.
            raise errors.from_status(request, HTTPStatus.GONE, "It was moved.", is_write=is_write)
        return response.raw_response


def _json(response: httpx.Response, request: str, *, is_write: bool) -> Any:
    if not response.content:
        return None
    try:
        return values.decoded(response.content)
    except (ValueError, RecursionError):
        raise errors.malformed(request, "no JSON", is_write=is_write) from None


def _present(params: Mapping[str, object]) -> dict[str, str | int]:
    return {name: value for name, value in params.items() if isinstance(value, str | int)}


# --- whose identity ----------------------------------------------------------------------------------------------------


def app_auth(app_id: int, key: str) -> AppAuthStrategy:
    """Return the App's own identity: a JWT issued 60 s in the past and valid for 9 more minutes."""
    return AppAuthStrategy(app_id, key)


class InstallationTokens:
    """An installation's token, used until a minute before it expires or until GitHub refuses it."""

    def __init__(self, ask: Callable[[], Awaitable[Answer]], clock: Callable[[], float] = time.time) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._good_until = 0.0

    async def token(self, *, refused: str = "") -> str:
        """Return a token that has not expired and is not the one that GitHub has just refused."""
        async with self._lock:
            if self._token == refused or self._clock() > self._good_until:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        answer = await self._ask()
        data = answer.data if isinstance(answer.data, Mapping) else {}
        self._token = values.text(data, "token")
        if not self._token:
            raise errors.malformed("POST access_tokens", "no token")
        expires = values.moment(data, "expires_at") or datetime.now(UTC) + timedelta(hours=1)
        # A clock that runs ahead must not make every request fetch a new token; the 401 below covers the rest.
        self._good_until = max(expires.timestamp() - 60, self._clock() + 60)


class _InstallationFlow(httpx.Auth):
    def __init__(self, tokens: InstallationTokens) -> None:
        self._tokens = tokens

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._tokens.token()
        request.headers["Authorization"] = f"token {token}"
        response = yield request
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            token = await self._tokens.token(refused=token)
            request.headers["Authorization"] = f"token {token}"
            yield request


class InstallationAuth(BaseAuthStrategy):
    """An installation's identity for githubkit: like its own, but a refused token is replaced and the request repeated."""

    def __init__(self, tokens: InstallationTokens) -> None:
        self._tokens = tokens

    def get_auth_flow(self, github: githubkit.GitHubCore[Any]) -> httpx.Auth:  # noqa: ARG002 - githubkit's signature
        return _InstallationFlow(self._tokens)
