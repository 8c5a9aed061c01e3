"""The rate of the App's writes: a token bucket, and a queue that sends one write at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

GUARD: ContextVar[Callable[[], None] | None] = ContextVar("guard", default=None)
"""Called at each turn of a task in whose context it is set; what it raises keeps the task from writing."""


class TokenBucket:
    """Allows ``burst`` writes at once, and ``per_second`` each second after that.

    Parameters
    ----------
    burst
        Capacity of the bucket, which starts full.
    per_second
        Tokens added per second.
    clock
        Returns seconds on a clock that never goes back.
    sleep
        Waits for that many seconds; tests pass one that moves their clock.
    """

    def __init__(
        self,
        burst: int = 15,
        per_second: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if burst < 1 or per_second <= 0:
            raise ValueError("a bucket must hold at least one token and be refilled")
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._tokens = float(burst)
        self._filled_at = clock()
        self._queue = asyncio.Lock()

    def spare(self) -> int:
        """Return how many writes could be sent now; unimportant ones check this and give way."""
        self._refill()
        return int(self._tokens)

    async def take(self) -> None:
        """Take one token, or wait for one in the order of the requests."""
        async with self._queue:
            self._refill()
            while self._tokens < 1:
                # Slightly more than computed: rounding must not leave 0.9999 of a token and another wait.
                await self._sleep((1 - self._tokens) / self._per_second + 1e-6)
                self._refill()
            self._tokens -= 1

    def _refill(self) -> None:
        now = self._clock()
        elapsed = max(0.0, now - self._filled_at)
        self._tokens = min(float(self._burst), self._tokens + elapsed * self._per_second)
        self._filled_at = now


class WriteQueue:
    """One write at a time, each with a token, as GitHub requires of an App for each installation."""

    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket
        self._turn = asyncio.Lock()

    def spare(self) -> int:
        """Return how many writes could be sent now."""
        return self._bucket.spare()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for this caller's turn to write; others wait until the block ends."""
        async with self._turn:
            await self._bucket.take()
            if guard := GUARD.get():
                guard()
            yield
