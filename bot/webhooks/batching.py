"""Group commit: the deliveries that wait at the same moment are stored in one transaction.

A transaction costs about a millisecond, however few deliveries are in it: so those that are arriving are let in first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from anyio import to_thread

from bot.webhooks.delivery import Delivery, Taken

ENOUGH = 100
"""So many deliveries wait for no more."""


class Inbox(Protocol):
    """Where deliveries are kept."""

    def take_in_all(self, deliveries: Sequence[Delivery]) -> list[Taken]:
        """Store deliveries durably before returning, all or none; say what became of each."""


class InboxBatch:
    """Hands deliveries to the inbox, in a thread: while it stores some, the next ones gather.

    Parameters
    ----------
    inbox
        Keeps deliveries.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: list[tuple[Delivery, asyncio.Future[Taken]]] = []
        self._storing: asyncio.Task[None] | None = None

    async def take_in(self, delivery: Delivery) -> Taken:
        """Store a delivery durably before returning; say what became of it.

        Whatever the inbox raises is raised to everybody whose delivery was in the same transaction.
        """
        taken: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, taken))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_what_waits(), name="inbox")
        return await taken

    async def _store_what_waits(self) -> None:
        try:
            while self._waiting:
                await self._let_arrive()
                # Who has given up waiting is left out: when the inbox is stuck, nothing piles up.
                batch = [(delivery, taken) for delivery, taken in self._waiting if not taken.done()]
                self._waiting = []
                if batch:
                    await self._store(batch)
        finally:
            self._storing = None

    async def _let_arrive(self) -> None:
        """Let those requests come as far as this that have been received already."""
        before = 0
        while before < len(self._waiting) < ENOUGH:
            before = len(self._waiting)
            # One turn of the event loop reads from the connections, the next one has the requests handled.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _store(self, batch: Sequence[tuple[Delivery, asyncio.Future[Taken]]]) -> None:
        try:
            found = await to_thread.run_sync(self._inbox.take_in_all, [delivery for delivery, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is theirs who wait
            for _, taken in batch:
                if not taken.done():
                    taken.set_exception(error)
        else:
            for (_, taken), result in zip(batch, found, strict=True):
                if not taken.done():
                    taken.set_result(result)
