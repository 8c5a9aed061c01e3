"""Webhooks that have not reached the App: which of them are fetched, or asked for again (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from bot.github import SentDelivery
from bot.webhooks.delivery import is_used

KEPT = timedelta(days=3)
"""So long GitHub lists deliveries and has them delivered again."""
UNDER_WAY = timedelta(minutes=1)
"""A younger attempt may still be followed by another one, or by its delivery's row in the inbox."""


def to_fetch(attempts: Iterable[SentDelivery], arrived: Collection[str]) -> list[SentDelivery]:
    """Return one attempt of each delivery that is not in the inbox, the oldest first."""
    first: dict[str, SentDelivery] = {}
    for attempt in sorted(_missing(attempts, arrived), key=lambda attempt: attempt.id):
        first.setdefault(attempt.guid, attempt)
    return list(first.values())


def to_redeliver(
    failed: Iterable[SentDelivery], arrived: Collection[str], now: datetime, stretch: float = 1.0
) -> list[int]:
    """Return the attempts to have made again, one a delivery, the oldest delivery first.

    A delivery that has failed for long is asked for ever more rarely: not before half the time has passed again in which
    it has failed so far.

    Parameters
    ----------
    failed
        Attempts that were not answered well.
    arrived
        The deliveries that are in the inbox.
    stretch
        What every waiting time is multiplied by.
    """
    by_delivery: dict[str, list[tuple[datetime, int]]] = {}
    for attempt in _missing(failed, arrived):
        if attempt.delivered_at is not None:
            by_delivery.setdefault(attempt.guid, []).append((attempt.delivered_at, attempt.id))
    due = []
    for attempts in by_delivery.values():
        (first, _), (latest, newest) = min(attempts), max(attempts)
        if now - latest >= max(UNDER_WAY * stretch, (latest - first) / 2):
            due.append((first, newest))
    return [newest for _, newest in sorted(due)]


def _missing(attempts: Iterable[SentDelivery], arrived: Collection[str]) -> list[SentDelivery]:
    """Leave out what has arrived, and the events that the App does nothing with."""
    return [each for each in attempts if is_used(each) and each.guid and each.guid not in arrived]
