"""Counts requests for GitHub's rate limit headers; the hub refuses nothing."""

from __future__ import annotations

import threading
import time
from collections import defaultdict

from runners.local.hub.permissions import Actor

HOURLY = 5_000


class RateCounter:
    """Requests in the current hour, by account and kind of authentication."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hour = 0
        self._used: defaultdict[tuple[str, int], int] = defaultdict(int)

    def count(self, actor: Actor) -> dict[str, str]:
        """Count one request and return the rate limit headers."""
        with self._lock:
            self._turn()
            self._used[_key(actor)] += 1
            used = self._used[_key(actor)]
            reset = (self._hour + 1) * 3_600
        values = {"Limit": HOURLY, "Remaining": max(HOURLY - used, 0), "Reset": reset, "Used": used, "Resource": "core"}
        return {f"X-RateLimit-{name}": str(value) for name, value in values.items()}

    def _turn(self) -> None:
        hour = int(time.time() // 3_600)
        if hour != self._hour:
            self._hour = hour
            self._used.clear()


def _key(actor: Actor) -> tuple[str, int]:
    return (actor.kind, actor.user.id if actor.user else 0)
