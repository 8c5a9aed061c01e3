"""Which failures pass by themselves, and how long to wait before the next attempt."""

from __future__ import annotations

from datetime import timedelta

from bot.github import HubError
from bot.github.errors import SUSPENDED

MIN_BACKOFF = timedelta(seconds=5)
MAX_BACKOFF = timedelta(minutes=2)
MIN_RATE_LIMIT_BACKOFF = timedelta(minutes=1)
MAX_RATE_LIMIT_BACKOFF = timedelta(minutes=15)
"""Where GitHub limits without saying for how long. It asks for at least a minute, and for more each time."""


def is_transient(error: Exception) -> bool:
    """Tell whether a failure is likely to pass by itself."""
    return isinstance(error, TimeoutError | OSError) or (isinstance(error, HubError) and error.transient)


def is_suspended(error: Exception) -> bool:
    """Tell whether an account's owner has suspended the App."""
    return isinstance(error, HubError) and error.problem.reason == SUSPENDED


def backoff(error: Exception, waited: timedelta) -> timedelta:
    """Return how long to wait: as long as GitHub says, otherwise in proportion to the time waited so far."""
    if isinstance(error, HubError) and error.retry_after:
        return timedelta(seconds=error.retry_after)
    if isinstance(error, HubError) and error.problem.reason == "rate_limited":
        return min(max(waited, MIN_RATE_LIMIT_BACKOFF), MAX_RATE_LIMIT_BACKOFF)
    return min(max(waited / 2, MIN_BACKOFF), MAX_BACKOFF)
