"""How fast the App may write: a token bucket, and the one-at-a-time queue in front of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class TokenBucket:
    """Lets ``burst`` writes through at once and ``per_second`` each second after that.

    Parameters
    ----------
    burst
        How many tokens the bucket holds; it starts full.
    per_second
        How many tokens flow back each second.
    clock
        Seconds on a clock that never goes back.
    sleep
        Waits that many seconds; a test hands in one that moves its own clock.
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
            raise ValueError("a bucket holds at least one token and is refilled")
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._tokens = float(burst)
        self._filled_at = clock()
        self._queue = asyncio.Lock()

    def spare(self) -> int:
        """Return how many writes could go out now; unimportant ones look here first and stand back."""
        self._refill()
        return int(self._tokens)

    async def take(self) -> None:
        """Take one token; wait for it, in the order of asking, where there is none."""
        async with self._queue:
            self._refill()
            while self._tokens < 1:
                # A hair more than computed: rounding must not leave 0.9999 of a token and a needless second turn.
                await self._sleep((1 - self._tokens) / self._per_second + 1e-6)
                self._refill()
            self._tokens -= 1

    def _refill(self) -> None:
        now = self._clock()
        elapsed = max(0.0, now - self._filled_at)
        self._tokens = min(float(self._burst), self._tokens + elapsed * self._per_second)
        self._filled_at = now


class WriteQueue:
    """One write at a time, each with a token: what GitHub asks of an App, for each installation."""

    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket
        self._one_at_a_time = asyncio.Lock()

    def spare(self) -> int:
        """Return how many writes could go out now."""
        return self._bucket.spare()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for this caller's turn to write; others wait until the block is left."""
        async with self._one_at_a_time:
            await self._bucket.take()
            yield
