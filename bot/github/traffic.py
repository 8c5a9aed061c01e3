"""Statistics of requests to GitHub: responses by class, and what is left of the rate limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

LOST = "lost"
"""Counted instead of a status if there was no response."""


@dataclass(frozen=True)
class RateLimit:
    """The last known state of a rate limit; ``reset`` is in seconds since 1970."""

    remaining: int
    limit: int
    reset: int


_MAX_DIGITS = 15

Watch = Callable[[httpx.Response | None], None]
"""Called with each response, or None if there was none."""


@dataclass
class Traffic:
    """The statistics of one App. Limits are by identity (``app``, or an installation's id) and resource."""

    answers: Counter[str] = field(default_factory=Counter)
    limits: dict[tuple[str, str], RateLimit] = field(default_factory=dict)

    def watch(self, identity: str) -> Watch:
        """Return the function that watches one identity's connection."""

        def observe(response: httpx.Response | None) -> None:
            if response is None:
                self.answers[LOST] += 1
                return
            self.answers[f"{response.status_code // 100}xx"] += 1
            limit = _limit(response.headers)
            if limit is not None:
                self.limits[identity, response.headers.get("x-ratelimit-resource", "core")] = limit

        return observe


def _limit(headers: httpx.Headers) -> RateLimit | None:
    values = [headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "limit", "reset")]
    if not all(text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS for text in values):
        return None
    return RateLimit(*map(int, values))
