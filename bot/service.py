"""A running App: its store, gateway, webhooks and worker, and whether they can do their work."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path

import httpx
import sqlalchemy as sa
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from actions.errors import OperationError
from bot.clock import utc_now
from bot.database import statistics
from bot.database.inbox import InboxEntry
from bot.database.leases import Leases
from bot.database.store import Store
from bot.engine.health import MIN_FREE_BYTES, Health, free_bytes
from bot.engine.looks import StuckLookError
from bot.engine.poller import Poller
from bot.engine.reconciler import Reconciler
from bot.engine.scheduler import Scheduler
from bot.github import GitHub
from bot.github.write_queue import GUARD
from bot.observability import dashboard
from bot.observability.log_format import JsonLines
from bot.observability.metrics import Metrics
from bot.settings import Settings
from bot.webhooks.endpoint import Webhooks
from bot.worker import Worker

log = logging.getLogger(__name__)

WORKER_PAUSE = 5.0
"""Seconds to wait before restarting a worker that failed."""
GITHUB_CHECK_SECONDS = 30.0
"""How long ``/readyz`` reuses a successful check of GitHub."""
CHECK_SECONDS = 5.0
MAX_DELIVERIES_SHOWN = 20


class Service:
    """The parts of a running App: store, gateway, webhooks, worker, reconciler, scheduler.

    Parameters
    ----------
    settings
        The deployment's settings.
    transport, clock
        Replace the network to GitHub and the time, for tests.
    run_worker
        Whether to run the worker in this process. Otherwise another process handles what this one stores.
    """

    def __init__(
        self,
        settings: Settings,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
        *,
        run_worker: bool = True,
    ) -> None:
        self.settings = settings
        self.runs_worker = run_worker
        self._clock = clock
        self.store = Store(settings.database_url)
        self.github = GitHub(settings, transport)
        self.wake = asyncio.Event()
        self.masked = JsonLines(settings.secrets()).masked
        secret = settings.webhook_secret.get_secret_value().encode()
        self.webhooks = Webhooks(self.store.inbox, secret, self.wake, clock=clock)
        self._worker_is_up = False
        self.health = Health()
        self.metrics = Metrics(self.store.database, self.webhooks.counts, self.github.traffic, self.worker_is_up)
        self._github_checked = -GITHUB_CHECK_SECONDS
        self._github_problem: str | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the background tasks for the duration of the block."""
        async with self.github:
            tasks = [asyncio.create_task(self._keep_working(), name="worker")] if self.runs_worker else []
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
            self._worker_is_up = True
            try:
                await self._work()
            except Exception:
                # The outermost edge: any failure is logged, shown by /readyz, and followed by a restart.
                log.exception("the worker failed; restarting in %.0f s", WORKER_PAUSE)
            finally:
                self._worker_is_up = False
            await asyncio.sleep(WORKER_PAUSE)

    async def _work(self) -> None:
        """Run one replica: worker, reconciler and scheduler. If one of them fails, all of them stop."""
        leases = Leases(self.store.database)
        parts = (self.store, self.github, self.settings, self.wake, leases, self._clock)
        worker = Worker(
            *parts,
            step_took=self.metrics.step_took,
            count_trigger=self.metrics.count_trigger,
            health=self.health,
        )
        GUARD.set(worker.check_alive)  # for the tasks made below
        tasks = [
            asyncio.create_task(worker.run()),
            asyncio.create_task(Reconciler(*parts, self.health).run()),
            asyncio.create_task(Scheduler(self.store, self.wake, self._clock).run()),
        ]
        # Not a TaskGroup: in Python 3.11 it loses a cancellation that arrives while one task has failed and the others
        # are ending.
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def worker_is_up(self) -> bool | None:
        """Return whether the worker is running; None if another process runs it."""
        return self._worker_is_up if self.runs_worker else None

    async def problems(self) -> dict[str, str]:
        """Return what keeps the App from working, by part; empty if it is ready."""
        problems = {
            "database": await _problem(lambda: to_thread.run_sync(self.store.check, abandon_on_cancel=True)),
            "github": await self._problem_with_github(),
            "worker": "stopped" if self.worker_is_up() is False else None,
            "tasks": self.health.failing(),
            "storage": self.health.stuck(),
            "disk": await self._problem_with_disk(),
        }
        return {part: problem for part, problem in problems.items() if problem}

    async def _problem_with_disk(self) -> str | None:
        database = sa.make_url(self.settings.database_url)
        folders = [self.settings.storage_root]
        if database.get_backend_name() == "sqlite" and database.database:
            folders.append(Path(database.database).parent)
        for folder in folders:
            try:
                free = await self.health.looks.at(f"disk of {folder}", functools.partial(free_bytes, folder))
            except (StuckLookError, OSError) as error:
                return type(error).__name__
            if free < MIN_FREE_BYTES:
                return f"{free // 1024**2} MB free"
        return None

    async def _problem_with_github(self) -> str | None:
        if time.monotonic() - self._github_checked > GITHUB_CHECK_SECONDS or self._github_problem:
            self._github_problem = await _problem(self.github.check)
            self._github_checked = time.monotonic()
        return self._github_problem

    async def overview(self) -> dashboard.Overview:
        """Read everything that the dashboard shows."""
        problems = await self.problems()
        read = await to_thread.run_sync(self._read) if "database" not in problems else None
        figures, runs, dead, waiting = read or (None, statistics.Runs((), (), {}), [], [])
        hub = dashboard.web_address(self.settings.github_api_url)
        limits = self.github.traffic.limits
        return dashboard.Overview(figures, runs, dead, waiting, problems, limits, hub, self._clock())

    def _read(self) -> tuple[statistics.Figures, statistics.Runs, list[InboxEntry], list[InboxEntry]]:
        database = self.store.database
        dead, waiting = (self.store.inbox.entries(status, limit=MAX_DELIVERIES_SHOWN) for status in ("dead", "new"))
        return statistics.figures(database), statistics.runs(database), dead, waiting


async def _problem(check: Callable[[], Awaitable[object]]) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except OperationError as error:
        return error.problem.reason
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("not ready: %s", error)
        return type(error).__name__
    return None
