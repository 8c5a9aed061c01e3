"""The frame of the REST routes: what a handler is given, what it returns, how it is registered.

A module declares its routes and hands them out by ``mount``::

    routes = Routes()

    @routes.get("/repos/{owner}/{repo}/issues", needs="issues:read")
    def list_issues(call: Call) -> Answer:
        return call.paged(found, lambda issue: shapes.issue(call.hub, issue))

Handlers are plain functions; they run in a worker thread after the caller was authenticated, the repository found and
the permission checked. They return JSON values (200), an ``Answer``, or a Starlette ``Response``; they refuse by raising
``ApiError``. ``needs="issues:write", role="read"``: Apps and jobs need the permission, people the role instead (by default
``read`` for a ``:read`` and ``write`` for a ``:write``). Without ``needs`` the handler looks at ``call.actor`` itself.
``body="title labels"`` names the keys that GitHub permits in a body that is an object; any other one is refused.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from runners.local.hub import permissions
from runners.local.hub.editions import OLDEST_VERSION
from runners.local.hub.errors import ApiError, invalid_request, not_found
from runners.local.hub.ids import read_number
from runners.local.hub.permissions import Actor, Need
from runners.local.hub.records import Repository, Role

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

LOG = logging.getLogger(__name__)
PREFIX = "/api/v3"
BODY_LIMIT = 64 * 1024 * 1024
T = TypeVar("T")
Handler = Callable[["Call"], Any]


@dataclass(frozen=True)
class Answer:
    """A JSON answer with a status other than 200, or with headers; ``body`` None sends nothing."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One authenticated request."""

    hub: Hub
    actor: Actor
    path: Mapping[str, Any]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    url: str
    raw: bytes
    found_repository: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The repository of the path, which the caller was found to be allowed to use."""
        if self.found_repository is None:
            raise not_found()
        return self.found_repository

    @cached_property
    def value(self) -> Any:
        """The body as JSON, whatever it is; an empty one reads as {}."""
        try:
            return json.loads(self.raw) if self.raw else {}
        except (ValueError, RecursionError):
            raise ApiError(400, "Problems parsing JSON") from None

    @property
    def version(self) -> str:
        """The API version that the request names."""
        return version_of(self.headers)

    @property
    def json(self) -> dict[str, Any]:
        """The body, which must be an object."""
        if not isinstance(self.value, dict):
            raise ApiError(400, "Body should be a JSON object")
        return self.value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string of the body; 422 where it is missing (and has no default) or not a string."""
        value = self.json.get(name)
        if value is None:
            if default is None:
                raise invalid_request(f'"{name}" wasn\'t supplied.')
            return default
        if not isinstance(value, str):
            raise invalid_request(f"For 'properties/{name}', {json.dumps(value)} is not a string.")
        return value

    def strings(self, name: str) -> list[str] | None:
        """Return a list of strings of the body, or None where it is not given."""
        value = self.json.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid_request(f"For 'properties/{name}', {json.dumps(value)} is not an array of strings.")
        return value

    def path_number(self, name: str) -> int:
        """Return an id or a number of the path; 404 where it is none that anything could have."""
        number = read_number(str(self.path[name]))
        if number is None:
            raise not_found()
        return number

    def query_number(self, name: str, default: int) -> int:
        """Return a number of the query, or the default where it is none."""
        number = read_number(self.query.get(name, ""))
        return default if number is None else number

    def paged(self, items: Sequence[T], render: Callable[[T], Any], key: str | None = None) -> Answer:
        """Answer one page of the items with GitHub's Link header; with ``key`` inside {total_count, key}."""
        size = min(max(self.query_number("per_page", 30), 1), 100)
        page = max(self.query_number("page", 1), 1)
        last = max((len(items) + size - 1) // size, 1)
        shown = [render(item) for item in items[(page - 1) * size : page * size]]
        link = ", ".join(self._links(page, last))
        body: Any = {"total_count": len(items), key: shown} if key else shown
        return Answer(body, headers={"Link": link} if link else {})

    def _links(self, page: int, last: int) -> Iterable[str]:
        pages = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        wanted = (["prev"] if page > 1 else []) + (["next", "last"] if page < last else [])
        for name in [*wanted, *(["first"] if page > 1 else [])]:
            query = urlencode({**self.query, "page": min(pages[name], last)})
            yield f'<{self.url}?{query}>; rel="{name}"'


@dataclass(frozen=True)
class Declared:
    """One route, as its module declares it."""

    method: str
    path: str
    handler: Handler
    need: Need | None
    body: frozenset[str]


class Routes:
    """The REST routes of one module."""

    def __init__(self) -> None:
        self.declared: list[Declared] = []

    def get(self, path: str, *, needs: str | None = None, role: Role | None = None) -> Callable[[Handler], Handler]:
        return self._declare("GET", path, needs, role)

    def post(
        self, path: str, *, needs: str | None = None, role: Role | None = None, body: str = ""
    ) -> Callable[[Handler], Handler]:
        return self._declare("POST", path, needs, role, body)

    def put(
        self, path: str, *, needs: str | None = None, role: Role | None = None, body: str = ""
    ) -> Callable[[Handler], Handler]:
        return self._declare("PUT", path, needs, role, body)

    def patch(
        self, path: str, *, needs: str | None = None, role: Role | None = None, body: str = ""
    ) -> Callable[[Handler], Handler]:
        return self._declare("PATCH", path, needs, role, body)

    def delete(
        self, path: str, *, needs: str | None = None, role: Role | None = None, body: str = ""
    ) -> Callable[[Handler], Handler]:
        return self._declare("DELETE", path, needs, role, body)

    def mounted(self, hub: Hub) -> list[BaseRoute]:
        """Return the routes as Starlette's, under the API's prefix."""
        return [
            Route(PREFIX + item.path, _endpoint(hub, item), methods=[item.method], name=item.handler.__name__)
            for item in self.declared
        ]

    def _declare(
        self, method: str, path: str, needs: str | None, role: Role | None, body: str = ""
    ) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            need = Need.of(needs, role) if needs else None
            self.declared.append(Declared(method, path, handler, need, frozenset(body.split())))
            return handler

        return register


def _endpoint(hub: Hub, route: Declared) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        raw = await _body(request)
        return await run_sync(_serve, hub, route, request, raw)

    return endpoint


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            return b"\0"  # Not JSON: answered as 400; the rest of the body is not read.
        parts.append(part)
    return b"".join(parts)


def _serve(hub: Hub, route: Declared, request: Request, raw: bytes) -> Response:
    release = hub.config.edition.release
    rate = {"X-GitHub-Enterprise-Version": f"enterprise-server@{release}"} if release else {}
    try:
        _require_version(hub, request.headers)
        actor = hub.auth.actor(request.headers.get("authorization"))
        LOG.debug("%s: %s %s", actor.kind, request.method, request.url.path)
        rate |= hub.rate.count(actor)
        repository = _repository(hub, actor, route, request.path_params)
        call = Call(
            hub=hub,
            actor=actor,
            path=request.path_params,
            query=dict(request.query_params),
            headers=request.headers,
            url=hub.base_url + request.url.path,
            raw=raw,
            found_repository=repository,
        )
        _require_permitted_keys(call, route.body)
        result = route.handler(call)
    except ApiError as error:
        result = Answer(error.body(), error.status)
    if isinstance(result, Response):
        result.headers.update(rate)
        return result
    answer = result if isinstance(result, Answer) else Answer(result)
    return render(answer, {**rate, **answer.headers}, request)


def version_of(headers: Mapping[str, str]) -> str:
    """Return the API version that a request names."""
    return headers.get("x-github-api-version", OLDEST_VERSION)


def _require_version(hub: Hub, headers: Mapping[str, str]) -> None:
    version, known = version_of(headers), hub.config.edition.versions
    if version not in known:
        raise ApiError(400, f"{version[:50]!r} is not a version of this API; it has {', '.join(known)}.")


def _require_permitted_keys(call: Call, permitted: frozenset[str]) -> None:
    given = call.value if call.raw else {}
    for key in given if isinstance(given, dict) else ():
        if key not in permitted or call.hub.config.edition.lacks(call.version, key):
            raise invalid_request(f'"{key}" is not a permitted key.')


def _repository(hub: Hub, actor: Actor, route: Declared, path: Mapping[str, Any]) -> Repository | None:
    if "owner" not in path or "repo" not in path:
        return None
    repository = hub.repository(f"{path['owner']}/{path['repo']}")
    if repository is None:
        raise not_found()
    if route.need is not None:
        permissions.require(hub, actor, repository, route.need)
    return repository


def render(answer: Answer, headers: Mapping[str, str], request: Request) -> Response:
    """Turn an answer into a response with GitHub's headers; a GET that has not changed becomes 304."""
    common = {
        "X-GitHub-Request-Id": uuid.uuid4().hex,
        "X-GitHub-Media-Type": "github.v3; format=json",
        "X-GitHub-Api-Version-Selected": version_of(request.headers),
        **headers,
    }
    if answer.body is None:
        return Response(status_code=answer.status, headers=common)
    content = json.dumps(answer.body, ensure_ascii=False).encode()
    if request.method in ("GET", "HEAD") and answer.status == HTTPStatus.OK:
        etag = f'W/"{hashlib.sha256(content).hexdigest()}"'
        common |= {"ETag": etag, "Cache-Control": "private, max-age=60, s-maxage=60", "Vary": "Accept, Authorization"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=common)
    return Response(content, answer.status, {**common, "Content-Type": "application/json; charset=utf-8"})


async def not_served(request: Request) -> Response:
    """Answer a route that the hub does not have."""
    message = f"The local hub does not serve {request.method} {request.url.path}."
    return render(Answer(ApiError(501, message).body(), 501), {}, request)
