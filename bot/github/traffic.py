"""What went to GitHub and back: how often which kind of answer came, and what is left of the rate limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

LOST = "lost"
"""Counted instead of a status where no answer came."""


@dataclass(frozen=True)
class RateLimit:
    """What GitHub last said of one limit; ``reset`` is in seconds since 1970."""

    remaining: int
    limit: int
    reset: int


_MOST_DIGITS = 15

Watch = Callable[[httpx.Response | None], None]
"""Is told each answer, and None where none came."""


@dataclass
class Traffic:
    """Of all connections of one App. Limits are kept by whose they are (``app``, or an installation's id) and resource."""

    answers: Counter[str] = field(default_factory=Counter)
    limits: dict[tuple[str, str], RateLimit] = field(default_factory=dict)

    def watch(self, whose: str) -> Watch:
        """Return what watches one identity's connection."""

        def seen(response: httpx.Response | None) -> None:
            if response is None:
                self.answers[LOST] += 1
                return
            self.answers[f"{response.status_code // 100}xx"] += 1
            limit = _limit(response.headers)
            if limit is not None:
                self.limits[whose, response.headers.get("x-ratelimit-resource", "core")] = limit

        return seen


def _limit(headers: httpx.Headers) -> RateLimit | None:
    told = [headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "limit", "reset")]
    if not all(text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS for text in told):
        return None
    return RateLimit(*map(int, told))
