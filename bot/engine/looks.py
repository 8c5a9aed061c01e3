"""Looks at files in the shared storage, which can be abandoned: a dead network mount never answers, nor can it be interrupted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

LOOK_SECONDS = 5.0
MAX_LOOKS = 40
"""Looks at the same time, the abandoned ones included: twice as many as the worker has tasks."""


class StuckLookError(TimeoutError):
    """The storage did not answer in time."""


class Looks:
    """The looks of one process.

    Each has a thread of its own, a daemon: an abandoned one takes no thread from the pool that everything else shares,
    and does not keep the process from ending.

    Parameters
    ----------
    seconds
        How long a look may take.
    """

    def __init__(self, seconds: float = LOOK_SECONDS) -> None:
        self.seconds = seconds
        self._running: dict[threading.Thread, tuple[str, float]] = {}

    async def at(self, place: str, look: Callable[[], T]) -> T:
        """Return what a blocking function finds at a place.

        Raises
        ------
        StuckLookError
            It took too long, or an earlier look at the same place is still stuck.
        """
        overdue = time.monotonic() - self.seconds
        is_stuck = any(where == place and began < overdue for where, began in list(self._running.values()))
        if is_stuck or len(self._running) >= MAX_LOOKS:
            raise StuckLookError(f"{place}: an earlier look has had no answer")
        found: Future[T] = Future()
        thread = threading.Thread(target=self._look, args=(look, found), name=f"look at {place}", daemon=True)
        self._running[thread] = (place, time.monotonic())
        thread.start()
        try:
            async with asyncio.timeout(self.seconds):
                return await asyncio.wrap_future(found)
        except TimeoutError:
            if found.done():  # the look itself ended like this
                raise
            raise StuckLookError(f"{place}: no answer within {self.seconds:g} s") from None

    def oldest(self) -> float:
        """Return for how many seconds the oldest running look has been waiting; 0 without one."""
        return max((time.monotonic() - began for _, began in list(self._running.values())), default=0.0)

    def _look(self, look: Callable[[], T], found: Future[T]) -> None:
        found.set_running_or_notify_cancel()
        try:
            result = look()
        except Exception as error:  # noqa: BLE001 - handed over to whoever waits
            self._running.pop(threading.current_thread())
            found.set_exception(error)
        else:
            self._running.pop(threading.current_thread())
            found.set_result(result)
