"""How the worker and the App's other background tasks end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from bot.database.leases import Leases
from bot.database.store import Store
from bot.database.tables import REPLICAS
from bot.github import GitHub
from bot.service import Service
from bot.worker import Worker
from tests.support.gateway import World


@pytest.mark.parametrize("ticks", range(6))
def test_a_cancelled_worker_ends_even_if_it_is_woken_at_the_same_moment(
    world: World, tmp_path: Path, ticks: int
) -> None:
    async def cancel_and_wake() -> bool:
        wake = asyncio.Event()
        worker = Worker(store, GitHub(settings), settings, wake, Leases(store.database))
        task = asyncio.create_task(worker.run())
        await asyncio.sleep(0.5)
        wake.set()
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        return bool(done)

    settings = world.settings(storage_root=tmp_path)
    store = Store(f"sqlite:///{tmp_path / 'app.db'}")
    try:
        assert asyncio.run(cancel_and_wake())
    finally:
        store.close()


class NeverAnswers(httpx.AsyncBaseTransport):
    """A network that never answers, and takes a moment to give up when it is cancelled."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.given_up = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.set()
        try:
            await asyncio.sleep(60)
        finally:
            self.given_up.set()
            await asyncio.sleep(0.5)
        return httpx.Response(500, request=request)


def test_the_app_ends_even_if_its_worker_failed_while_its_reconciler_is_still_ending(
    world: World, tmp_path: Path
) -> None:
    async def fail_and_end() -> None:
        network = NeverAnswers()
        settings = world.settings(storage_root=tmp_path, database_url=f"sqlite:///{tmp_path / 'app.db'}")
        service = Service(settings, network)
        async with asyncio.timeout(20):
            async with service.running():
                await network.asked.wait()
                with service.store.database.transaction() as connection:
                    REPLICAS.drop(connection)
                await network.given_up.wait()

    asyncio.run(fail_and_end())
