"""Which webhooks GitHub is asked to deliver again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.github import SentDelivery
from bot.webhooks.redelivery import to_fetch, to_redeliver
from tests.support.runs import NOON


def failed(number: int, guid: str, minutes_ago: float, event: str = "issues") -> SentDelivery:
    return SentDelivery(number, guid, event, 502, NOON - timedelta(minutes=minutes_ago))


def test_redelivery_is_requested_once_per_delivery_for_its_latest_attempt_oldest_first() -> None:
    attempts = [failed(3, "b", 5), failed(2, "a", 30), failed(1, "a", 40)]
    assert to_redeliver(attempts, {}, NOON) == [2, 3]


@pytest.mark.parametrize(
    ("attempt", "why"),
    [
        (failed(1, "known", 5), "it is in the inbox"),
        (failed(1, "a", 0.5), "it may be under way"),
        (failed(1, "a", 5, "star"), "the App does nothing with it"),
        (SentDelivery(1, "a", "issues", 502, None), "nobody knows when it was"),
    ],
)
def test_no_redelivery_is_requested_if(attempt: SentDelivery, why: str) -> None:
    assert to_redeliver([attempt], {"known"}, NOON) == [], why


def test_a_delivery_that_keeps_failing_is_requested_less_and_less_often() -> None:
    failing = [failed(2, "a", 10), failed(1, "a", 40)]
    assert to_redeliver(failing, {}, NOON) == []
    assert to_redeliver(failing, {}, NOON + timedelta(minutes=5)) == [2]


def test_stretched_waiting_times_apply_to_redeliveries_too() -> None:
    assert to_redeliver([failed(1, "a", 5)], {}, NOON, stretch=10) == []


def test_one_attempt_of_each_delivery_is_fetched_oldest_delivery_first() -> None:
    listed = [failed(3, "a", 1), failed(2, "b", 2), failed(1, "a", 3), failed(4, "known", 0), failed(5, "c", 0, "star")]
    assert [attempt.id for attempt in to_fetch(listed, {"known"})] == [1, 2]
