"""Webhooks that never reached the App: which of them to fetch, or to request again (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from bot.github import SentDelivery
from bot.webhooks.delivery import is_used

RETENTION = timedelta(days=3)
"""How long GitHub lists deliveries and can redeliver them."""
IN_PROGRESS = timedelta(minutes=1)
"""After a more recent attempt, GitHub may still make another one, or the inbox may still store the delivery."""


def to_fetch(attempts: Iterable[SentDelivery], arrived: Collection[str]) -> list[SentDelivery]:
    """Return one attempt per delivery that is not in the inbox, oldest first."""
    first: dict[str, SentDelivery] = {}
    for attempt in sorted(_missing(attempts, arrived), key=lambda attempt: attempt.id):
        first.setdefault(attempt.guid, attempt)
    return list(first.values())


def to_redeliver(
    failed: Iterable[SentDelivery], arrived: Collection[str], now: datetime, stretch: float = 1.0
) -> list[int]:
    """Return the attempts to repeat, one per delivery, oldest delivery first.

    The longer a delivery has been failing, the less often it is requested: the next request waits for half the time
    since its first attempt.

    Parameters
    ----------
    failed
        Attempts that got no 2xx response.
    arrived
        The ids of the deliveries in the inbox.
    stretch
        The factor for every waiting time.
    """
    by_delivery: dict[str, list[tuple[datetime, int]]] = {}
    for attempt in _missing(failed, arrived):
        if attempt.delivered_at is not None:
            by_delivery.setdefault(attempt.guid, []).append((attempt.delivered_at, attempt.id))
    due = []
    for attempts in by_delivery.values():
        (first, _), (latest, newest) = min(attempts), max(attempts)
        if now - latest >= max(IN_PROGRESS * stretch, (latest - first) / 2):
            due.append((first, newest))
    return [newest for _, newest in sorted(due)]


def _missing(attempts: Iterable[SentDelivery], arrived: Collection[str]) -> list[SentDelivery]:
    """Leave out deliveries that have arrived, and events that the App does not act on."""
    return [attempt for attempt in attempts if is_used(attempt) and attempt.guid and attempt.guid not in arrived]
