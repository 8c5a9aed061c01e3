"""How the App's worker ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.github import GitHub
from bot.store import Store
from bot.worker import Worker
from tests.support.gateway import World


@pytest.mark.parametrize("ticks", range(6))
def test_a_worker_that_is_told_to_end_ends_although_it_is_woken_at_the_same_moment(
    world: World, tmp_path: Path, ticks: int
) -> None:
    async def told_to_end() -> bool:
        wake = asyncio.Event()
        task = asyncio.create_task(Worker(store, GitHub(settings), settings, wake).run())
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
