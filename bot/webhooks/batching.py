"""Group commit: deliveries that arrive together are stored in one transaction.

A transaction costs about a millisecond, however many deliveries it contains, so requests that have already been received
are waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from anyio import to_thread

from bot.webhooks.delivery import Delivery, InboxResult

MAX_BATCH = 100
"""Store the batch at this size, even if more deliveries are arriving."""


class Inbox(Protocol):
    """Stores deliveries."""

    def add_all(self, deliveries: Sequence[Delivery]) -> list[InboxResult]:
        """Store deliveries durably before returning, all or none; return what happened to each."""


class InboxBatch:
    """Passes deliveries to the inbox in a thread. While a batch is being stored, the next one collects.

    Parameters
    ----------
    inbox
        Stores deliveries.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: list[tuple[Delivery, asyncio.Future[InboxResult]]] = []
        self._storing: asyncio.Task[None] | None = None

    async def add(self, delivery: Delivery) -> InboxResult:
        """Store a delivery durably before returning; return what happened to it.

        An exception raised by the inbox is raised for every delivery in the same transaction.
        """
        result: asyncio.Future[InboxResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, result))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_waiting(), name="inbox")
        return await result

    async def _store_waiting(self) -> None:
        try:
            while self._waiting:
                await self._collect()
                # Requests that gave up waiting are left out, so nothing piles up while the inbox is stuck.
                batch = [(delivery, result) for delivery, result in self._waiting if not result.done()]
                self._waiting = []
                if batch:
                    await self._store(batch)
        finally:
            self._storing = None

    async def _collect(self) -> None:
        """Let requests that have already been received reach this batch."""
        before = 0
        while before < len(self._waiting) < MAX_BATCH:
            before = len(self._waiting)
            # One turn of the event loop reads from the connections; the next one handles the requests.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _store(self, batch: Sequence[tuple[Delivery, asyncio.Future[InboxResult]]]) -> None:
        try:
            stored = await to_thread.run_sync(self._inbox.add_all, [delivery for delivery, _ in batch])
        except Exception as error:  # noqa: BLE001 - passed on to every request in the batch
            for _, result in batch:
                if not result.done():
                    result.set_exception(error)
        else:
            for (_, result), outcome in zip(batch, stored, strict=True):
                if not result.done():
                    result.set_result(outcome)
