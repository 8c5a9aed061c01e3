"""The App as a web service: it receives webhooks, and shows whether it is alive, ready and keeping up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import httpx
from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict
from starlette.types import Receive, Scope, Send

from bot.clock import utc_now
from bot.observability import dashboard, log_format
from bot.observability.access import check_access
from bot.observability.metrics import CONTENT_TYPE
from bot.service import Service
from bot.settings import Settings, settings_or_exit
from bot.version import version
from bot.webhooks import openapi as webhook_openapi
from bot.webhooks.endpoint import Webhooks

log = logging.getLogger(__name__)

WEBHOOK = "/webhook"


class _App(FastAPI):
    """FastAPI with a short cut for webhooks.

    A webhook passed through FastAPI's middleware and routing costs twice as much, and nothing in there is needed: the
    endpoint verifies and limits the body itself. Its route is registered all the same, for the OpenAPI document.
    """

    webhook_endpoint: Webhooks | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_webhook = scope["type"] == "http" and scope["path"] == WEBHOOK and scope["method"] == "POST"
        answer = self.webhook_endpoint if is_webhook and self.webhook_endpoint else super().__call__
        await answer(scope, receive, send)


def create_app(
    settings: Settings | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Callable[[], datetime] = utc_now,
    run_worker: bool = True,
    accept_webhooks: bool = True,
) -> FastAPI:
    """Create the App.

    Parameters
    ----------
    settings
        The deployment's settings. By default they are read from the environment; if they are invalid, the process exits
        with code 2.
    transport, clock, run_worker
        See ``Service``.
    accept_webhooks
        Whether to receive webhooks. Otherwise the App only shows how the worker is doing.
    """
    settings = settings or settings_or_exit()
    service = Service(settings, transport, clock, run_worker=run_worker)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            log.info("the App is up: GitHub at %s", settings.github_api_url)
            yield
            log.info("the App is shutting down")

    # The document is not served: visitors should not learn what runs here. `app.openapi()` returns it.
    app = _App(title="Modelyard", version=version(), lifespan=lifespan, openapi_url=None)
    app.state.service = service
    if accept_webhooks:
        app.webhook_endpoint = service.webhooks
        app.add_api_route(
            WEBHOOK,
            service.webhooks.respond,
            methods=["POST"],
            summary="Receive a webhook delivery from GitHub. It is stored durably before it is accepted.",
            status_code=202,
            response_model=webhook_openapi.Accepted,
            responses=webhook_openapi.RESPONSES,
            openapi_extra=webhook_openapi.REQUEST,
        )
    app.include_router(router)
    return app


# --- health and monitoring ---------------------------------------------------------------------------------------------


class _Status(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Alive(_Status):
    """The process is running and answers."""

    status: Literal["alive"] = "alive"


class Ready(_Status):
    """The App can do its work."""

    status: Literal["ready"] = "ready"


class NotReady(_Status):
    """The App cannot do its work, with the problem of each affected part."""

    status: Literal["not_ready"] = "not_ready"
    problems: dict[str, str]


class Denied(_Status):
    """The visitor may not look inside."""

    detail: str


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


CurrentService = Annotated[Service, Depends(_service)]


async def _require_access(request: Request, service: CurrentService) -> None:
    """Refuse visitors who may not look inside; see ``bot.observability.access``."""
    check_access(request, service.settings.dashboard_token, is_trial=service.settings.has_local_hub)


router = APIRouter()
_guarded = APIRouter(
    dependencies=[Depends(_require_access)],
    responses={
        401: {"model": Denied, "description": "the dashboard's token is required"},
        404: {"model": Denied, "description": "not from this machine, and no token is configured"},
    },
)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def healthz() -> Alive:
    """Return whether the process is running."""
    return Alive()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=Ready, responses={503: {"model": NotReady, "description": "not ready"}})
async def readyz(service: CurrentService) -> JSONResponse:
    """Return whether the App can do its work."""
    problems = await service.problems()
    status = NotReady(problems=problems) if problems else Ready()
    return JSONResponse(status.model_dump(), 503 if problems else 200)


@_guarded.head("/", include_in_schema=False)
@_guarded.get("/", response_class=HTMLResponse)
async def show_dashboard(service: CurrentService) -> HTMLResponse:
    """Render the dashboard."""
    return HTMLResponse(service.masked(dashboard.page(await service.overview())), headers=dashboard.HEADERS)


@_guarded.head("/metrics", include_in_schema=False)
@_guarded.get("/metrics", response_class=PlainTextResponse)
async def show_metrics(service: CurrentService) -> Response:
    """Return the metrics in Prometheus's text format."""
    return Response(await to_thread.run_sync(service.metrics.text), media_type=CONTENT_TYPE)


router.include_router(_guarded)


# --- processes -----------------------------------------------------------------------------------------------------------


def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    run_worker: bool = True,
    accept_webhooks: bool = True,
) -> int:
    """Run the App until SIGINT or SIGTERM; requests in progress are finished.

    Parameters
    ----------
    settings
        The deployment's settings.
    host, port
        The address to listen on.
    run_worker, accept_webhooks
        See ``create_app``.

    Returns
    -------
    int
        The process's exit code.
    """
    import uvicorn

    from bot.webhooks.http_limits import BoundedRequests

    log_format.set_up(settings.log_level, settings.secrets())
    config: dict[str, Any] = {
        "http": BoundedRequests,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # only their presence matters here: see bot.observability.access
        "lifespan": "on",
        "timeout_graceful_shutdown": 5,
    }
    app = create_app(settings, run_worker=run_worker, accept_webhooks=accept_webhooks)
    server = uvicorn.Server(uvicorn.Config(app, host=host, port=port, **config))
    server.run()
    return 0 if server.started else 1


def work(settings: Settings) -> int:
    """Run the worker alone, without an open port, until SIGINT or SIGTERM; return the exit code."""
    log_format.set_up(settings.log_level, settings.secrets())

    async def until_signal() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop.set)
        async with Service(settings).running():
            log.info("the worker is up: GitHub at %s", settings.github_api_url)
            await stop.wait()
            log.info("the worker is shutting down")

    asyncio.run(until_signal())
    return 0
