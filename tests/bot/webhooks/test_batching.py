"""Group commit: who waits at the same moment shares a transaction, and learns only what became of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy.exc import OperationalError

from bot.webhooks.batching import InboxBatch
from bot.webhooks.delivery import Delivery, InboxResult
from tests.support.runs import NOON


def a_delivery(name: str) -> Delivery:
    return Delivery(
        id=name, event="issues", action="opened", repository="owner/demo", installation=1, payload=b"{}",
        received_at=NOON,
    )  # fmt: skip


class Disk:
    """An inbox whose transactions the test ends, one after the other."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []
        self.trouble: Exception | None = None
        self.may_end = threading.Semaphore(0)

    def add_all(self, deliveries: Sequence[Delivery]) -> list[InboxResult]:
        self.transactions.append([one.id for one in deliveries])
        assert self.may_end.acquire(timeout=10)
        if self.trouble is not None:
            raise self.trouble
        return ["repeated" if one.id.startswith("known") else "stored" for one in deliveries]


async def begun(disk: Disk, count: int) -> None:
    """Wait until so many transactions have begun."""
    async with asyncio.timeout(10):
        while len(disk.transactions) < count:  # noqa: ASYNC110 - it happens in a thread
            await asyncio.sleep(0.001)


def test_deliveries_that_arrive_during_a_transaction_share_the_next_one() -> None:
    async def scenario() -> None:
        disk = Disk()
        batch = InboxBatch(disk)
        first = asyncio.create_task(batch.add(a_delivery("a")))
        await begun(disk, 1)
        others = [asyncio.create_task(batch.add(a_delivery(name))) for name in ("b", "known-c", "d")]
        await asyncio.sleep(0.02)
        assert not first.done(), "nothing is answered before its transaction has ended"
        disk.may_end.release()
        assert await first == "stored"
        await begun(disk, 2)
        assert not any(other.done() for other in others)
        disk.may_end.release()
        assert await asyncio.gather(*others) == ["stored", "repeated", "stored"]
        assert disk.transactions == [["a"], ["b", "known-c", "d"]]

    asyncio.run(scenario())


def test_a_failed_transaction_fails_only_the_deliveries_in_it() -> None:
    async def scenario() -> None:
        disk = Disk()
        batch = InboxBatch(disk)
        first = asyncio.create_task(batch.add(a_delivery("a")))
        await begun(disk, 1)
        others = [asyncio.create_task(batch.add(a_delivery(name))) for name in ("b", "c")]
        await asyncio.sleep(0.02)
        disk.may_end.release()
        assert await first == "stored"
        await begun(disk, 2)
        disk.trouble = OperationalError("INSERT", {}, Exception("database or disk is full"))
        disk.may_end.release()
        assert await asyncio.gather(*others, return_exceptions=True) == [disk.trouble, disk.trouble]
        disk.trouble = None
        disk.may_end.release()
        assert await batch.add(a_delivery("d")) == "stored"

    asyncio.run(scenario())


def test_a_client_that_gave_up_is_not_stored_and_delays_no_one() -> None:
    async def scenario() -> None:
        disk = Disk()
        batch = InboxBatch(disk)
        stuck = asyncio.create_task(batch.add(a_delivery("a")))
        await begun(disk, 1)
        impatient = asyncio.create_task(batch.add(a_delivery("b")))
        patient = asyncio.create_task(batch.add(a_delivery("c")))
        await asyncio.sleep(0.02)
        for task in (stuck, impatient):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        disk.may_end.release(2)
        assert await patient == "stored"
        assert disk.transactions == [["a"], ["c"]]

    asyncio.run(scenario())
