"""How long the App leaves things alone after trouble, and how its worker ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from bot.database.leases import Leases
from bot.database.store import Store
from bot.database.tables import REPLICAS
from bot.github import GitHub
from bot.github.errors import HubError, rate_limited
from bot.service import Service
from bot.worker import Worker, pause
from tests.support.gateway import World


def pauses(error: Exception, count: int) -> list[int]:
    """Return the pauses, in seconds, one after the other, while the trouble goes on."""
    waited, found = timedelta(), []
    for _ in range(count):
        found.append(pause(error, waited))
        waited += found[-1]
    return [round(one.total_seconds()) for one in found]


def test_a_rate_limit_that_does_not_say_how_long_is_left_alone_a_minute_and_then_twice_as_long_each_time() -> None:
    assert pauses(rate_limited("GET /x", 403, None), 8) == [60, 60, 120, 240, 480, 900, 900, 900]


@pytest.mark.parametrize("told", [1, 600, 3_000])
def test_a_rate_limit_that_says_how_long_is_left_alone_so_long(told: float) -> None:
    assert pauses(rate_limited("GET /x", 429, told), 3) == [told] * 3


def test_other_trouble_is_looked_at_again_soon_and_then_less_often_up_to_two_minutes() -> None:
    lost = HubError("hub_unreachable", rule="R.", found="F.", next_step="N.", transient=True)

    found = pauses(lost, 16)

    assert found[0] == 5
    assert found == sorted(found)
    assert found[-1] == 120


@pytest.mark.parametrize("ticks", range(6))
def test_a_worker_that_is_told_to_end_ends_although_it_is_woken_at_the_same_moment(
    world: World, tmp_path: Path, ticks: int
) -> None:
    async def told_to_end() -> bool:
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
        assert asyncio.run(told_to_end())
    finally:
        store.close()


class NeverAnswers(httpx.AsyncBaseTransport):
    """A network that answers nothing, and takes a moment to give up where it is told to."""

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


def test_the_app_ends_although_its_worker_broke_and_its_reconciler_is_still_ending(
    world: World, tmp_path: Path
) -> None:
    async def told_to_end() -> None:
        network = NeverAnswers()
        settings = world.settings(storage_root=tmp_path, database_url=f"sqlite:///{tmp_path / 'app.db'}")
        service = Service(settings, network)
        async with asyncio.timeout(20):
            async with service.running():
                await network.asked.wait()
                with service.store.database.transaction() as connection:
                    REPLICAS.drop(connection)
                await network.given_up.wait()

    asyncio.run(told_to_end())
