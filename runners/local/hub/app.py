"""The hub as a web application: REST under ``/api/v3``, git and pages at the root."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from runners.local.hub import pages
from runners.local.hub.git import smart_http
from runners.local.hub.hub import Hub
from runners.local.hub.rest import actions
from runners.local.hub.rest import routes as rest
from runners.local.hub.rest.framework import PREFIX, not_served

MOUNTED = (rest, actions, smart_http, pages)
"""Modules with ``def mount(hub: Hub) -> list[BaseRoute]``, which may also append to ``hub.services``. The pages come last
because their paths match most."""

LOOPBACK = re.compile(r"(?:127\.0\.0\.1|\[::1\]|(?:[a-z0-9-]+\.)*localhost)(?::[0-9]{1,5})?", re.IGNORECASE)


def serve(hub: Hub) -> Starlette:
    """Return an open hub as an application; its services run during the application's lifespan."""
    routes: list[BaseRoute] = []
    for module in MOUNTED:
        routes += module.mount(hub)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for service in hub.services:
            await service.start()
        try:
            yield
        finally:
            for service in reversed(hub.services):
                await service.stop()

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(OwnNames)],
        exception_handlers={404: _unknown, 405: _unknown},
    )
    app.state.hub = hub
    return app


class OwnNames:
    """Answers only requests addressed to this machine.

    A web site can make its name resolve to 127.0.0.1 (DNS rebinding) and could then read whatever is public here, for
    example the working tree served as ``modelyard/modelyard``. The Host header still names the site.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            hosts = Headers(scope=scope).getlist("host")
            if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):
                app = PlainTextResponse("This hub only answers at 127.0.0.1 and localhost.\n", 421)
        await app(scope, receive, send)


async def _unknown(request: Request, error: Exception) -> Response:
    if request.url.path.startswith(PREFIX):
        return await not_served(request)
    status = error.status_code if isinstance(error, HTTPException) else 404
    return PlainTextResponse(HTTPStatus(status).phrase, status)
