"""The App as a web service: webhooks in, and whether it lives and is ready. Its worker runs beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import httpx
from anyio import to_thread
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from actions.errors import OperationError
from bot.clock import utc_now
from bot.database import statistics
from bot.database.leases import Leases
from bot.database.store import KeptDelivery, Store
from bot.engine.poller import Poller
from bot.engine.reconciler import Reconciler
from bot.engine.scheduler import Scheduler
from bot.github import GitHub
from bot.observability import dashboard
from bot.observability import log_format as logs
from bot.observability.access import check_may_look
from bot.observability.metrics import CONTENT_TYPE, Metrics
from bot.settings import Settings, settings_or_exit
from bot.webhooks.endpoint import Webhooks
from bot.worker import Worker

log = logging.getLogger(__name__)

WORKER_PAUSE = 5.0
"""Seconds between the end of a worker that broke and the start of the next one."""
GITHUB_CHECK_SECONDS = 30.0
"""So long one answer about GitHub serves ``/readyz``."""
CHECK_SECONDS = 5.0
WEBHOOK = "/webhook"


class Service:
    """What a running App consists of: store, gateway, webhooks, worker, reconciler.

    Parameters
    ----------
    settings
        The deployment's settings.
    transport, clock
        Replace the network to GitHub, and the time, for tests.
    works
        Whether the worker runs in this process; without it, another process works off what this one stores.
    """

    def __init__(
        self,
        settings: Settings,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
        *,
        works: bool = True,
    ) -> None:
        self.settings = settings
        self.works = works
        self._clock = clock
        self.store = Store(settings.database_url)
        self.github = GitHub(settings, transport)
        self.wake = asyncio.Event()
        self.masked = logs.JsonLines(_secrets(settings)).masked
        secret = settings.webhook_secret.get_secret_value().encode()
        self.webhooks = Webhooks(self.store, secret, self.wake, clock=clock)
        self._worker_runs = False
        self.metrics = Metrics(self.store.database, self.webhooks.counts, self.github.traffic, self._worker_stands)
        self._github_checked = -GITHUB_CHECK_SECONDS
        self._github_trouble: str | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run what works beside the web service as long as the block lasts."""
        async with self.github:
            tasks = [asyncio.create_task(self._keep_working(), name="worker")] if self.works else []
            if self.settings.poll:
                poller = Poller(self.store, self.github, self.wake, self._clock)
                tasks.append(asyncio.create_task(poller.run(), name="poller"))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await to_thread.run_sync(self.store.close)

    async def _keep_working(self) -> None:
        while True:
            self._worker_runs = True
            try:
                await self._work()
            except Exception:
                # The outermost edge: whatever broke is logged, shown by /readyz, and tried again.
                log.exception("the worker broke and starts again in %.0f s", WORKER_PAUSE)
            finally:
                self._worker_runs = False
            await asyncio.sleep(WORKER_PAUSE)

    async def _work(self) -> None:
        """Be one replica: its worker, its reconciler and its scheduler; where one breaks, all end."""
        leases = Leases(self.store.database)
        parts = (self.store, self.github, self.settings, self.wake, leases, self._clock)
        together = [
            asyncio.create_task(Worker(*parts, self.metrics.step_took, self.metrics.door_used).run()),
            asyncio.create_task(Reconciler(*parts).run()),
            asyncio.create_task(Scheduler(self.store, self.wake, self._clock).run()),
        ]
        # No TaskGroup: in Python 3.11 it loses a cancellation that comes while one has broken and the other is ending.
        try:
            done, _ = await asyncio.wait(together, return_when=asyncio.FIRST_COMPLETED)
            for broken in done:
                broken.result()
        finally:
            for task in together:
                task.cancel()
            await asyncio.gather(*together, return_exceptions=True)

    def check_may_look(self, request: Request) -> None:
        """Refuse whoever may not see how the App stands; see ``bot.observability.access``."""
        check_may_look(request, self.settings.dashboard_token, trying=self.settings.has_local_hub)

    def _worker_stands(self) -> bool | None:
        """Tell whether the worker runs; None where it is another process's matter."""
        return self._worker_runs if self.works else None

    async def troubles(self) -> dict[str, str]:
        """Name what is wrong, by part; nothing where the App is ready."""
        found = {
            "database": await _trouble(lambda: to_thread.run_sync(self.store.check, abandon_on_cancel=True)),
            "github": await self._trouble_with_github(),
            "worker": "stopped" if self._worker_stands() is False else None,
        }
        return {part: trouble for part, trouble in found.items() if trouble}

    async def seen(self) -> dashboard.Seen:
        """Look at everything that the dashboard shows."""
        troubles = await self.troubles()
        read = await to_thread.run_sync(self._read) if "database" not in troubles else None
        figures, runs, dead, waiting = read or (None, statistics.Runs((), (), {}), [], [])
        hub = dashboard.web_address(self.settings.github_api_url)
        return dashboard.Seen(figures, runs, dead, waiting, troubles, self.github.traffic.limits, hub, self._clock())

    def _read(self) -> tuple[statistics.Figures, statistics.Runs, list[KeptDelivery], list[KeptDelivery]]:
        database = self.store.database
        dead, waiting = (self.store.kept(status, limit=20) for status in ("dead", "new"))
        return statistics.figures(database), statistics.runs(database), dead, waiting

    async def _trouble_with_github(self) -> str | None:
        if time.monotonic() - self._github_checked > GITHUB_CHECK_SECONDS or self._github_trouble:
            self._github_trouble = await _trouble(self.github.check)
            self._github_checked = time.monotonic()
        return self._github_trouble


async def _trouble(check: Callable[[], Awaitable[object]]) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except OperationError as error:
        return error.body.reason
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("not ready: %s", error)
        return type(error).__name__
    return None


class _App(FastAPI):
    """FastAPI with a way around its layers for webhooks: they are a sixth of what taking one costs."""

    takes_deliveries: Webhooks | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_webhook = scope["type"] == "http" and scope["path"] == WEBHOOK and scope["method"] == "POST"
        take = self.takes_deliveries if is_webhook and self.takes_deliveries else super().__call__
        await take(scope, receive, send)


def create_app(
    settings: Settings | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Callable[[], datetime] = utc_now,
    works: bool = True,
    takes: bool = True,
) -> FastAPI:
    """Make the App; without settings those of the environment, and the process ends with code 2 where they are wrong.

    Parameters
    ----------
    settings
        The deployment's settings.
    transport, clock, works
        See ``Service``.
    takes
        Whether webhooks are taken; without that, only how the worker stands can be seen.
    """
    settings = settings or settings_or_exit()
    service = Service(settings, transport, clock, works=works)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            log.info("the App is up: GitHub at %s", settings.github_api_url)
            yield
            log.info("the App goes down")

    # No pages that describe the routes: there is nothing to look up for a person.
    app = _App(title="Modelyard", lifespan=lifespan, openapi_url=None)
    app.state.service = service
    if takes:
        app.takes_deliveries = service.webhooks
        app.router.routes.append(Route(WEBHOOK, service.webhooks, methods=["POST"]))
    app.add_route("/healthz", _alive, methods=["GET"])
    app.add_route("/readyz", _ready, methods=["GET"])
    app.add_route("/", _dashboard, methods=["GET"])
    app.add_route("/metrics", _metrics, methods=["GET"])
    return app


async def _alive(_: Request) -> Response:
    """Tell that the process lives and answers."""
    return JSONResponse({"status": "alive"})


async def _ready(request: Request) -> Response:
    """Tell whether the App can do its work; 503 names what is in the way."""
    service: Service = request.app.state.service
    troubles = await service.troubles()
    if troubles:
        return JSONResponse({"status": "not_ready", "troubles": troubles}, 503)
    return JSONResponse({"status": "ready"})


async def _dashboard(request: Request) -> Response:
    """Show a person how everything stands."""
    service: Service = request.app.state.service
    service.check_may_look(request)
    return HTMLResponse(service.masked(dashboard.page(await service.seen())), headers=dashboard.HEADERS)


async def _metrics(request: Request) -> Response:
    """Tell Prometheus how everything stands."""
    service: Service = request.app.state.service
    service.check_may_look(request)
    return Response(await to_thread.run_sync(service.metrics.text), media_type=CONTENT_TYPE)


def serve(
    settings: Settings, host: str = "127.0.0.1", port: int = 8000, *, works: bool = True, takes: bool = True
) -> int:
    """Run the App until it is told to stop (SIGINT, SIGTERM); requests that are under way are finished.

    Parameters
    ----------
    settings
        The deployment's settings.
    host, port
        Where to listen.
    works, takes
        Whether the worker runs here too; whether webhooks are taken.

    Returns
    -------
    int
        The process's exit code.
    """
    import uvicorn

    from bot.webhooks.http_limits import BoundedHead

    logs.set_up(settings.log_level, _secrets(settings))
    config: dict[str, Any] = {
        "http": BoundedHead,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # nothing here goes by them, but that they are there: see bot.observability.access
        "lifespan": "on",
        "timeout_graceful_shutdown": 5,
    }
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings, works=works, takes=takes), host=host, port=port, **config)
    )
    server.run()
    return 0 if server.started else 1


def work(settings: Settings) -> int:
    """Run the worker alone, with no port open, until it is told to stop (SIGINT, SIGTERM); return the exit code."""
    logs.set_up(settings.log_level, _secrets(settings))

    async def until_told() -> None:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, told.set)
        async with Service(settings).running():
            log.info("the worker is up: GitHub at %s", settings.github_api_url)
            await told.wait()
            log.info("the worker goes down")

    asyncio.run(until_told())
    return 0


def _secrets(settings: Settings) -> list[str]:
    key = settings.key()
    lines = [line for line in key.splitlines() if line and not line.startswith("-----")]
    more = (settings.dashboard_token, settings.slack_token, settings.smtp_url)
    given = [secret.get_secret_value() for secret in more if secret is not None]
    mail = settings.channels.email
    return [settings.webhook_secret.get_secret_value(), key, *lines, *given, *([mail.password] if mail else [])]
