"""How long the App waits after a failure that passes by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.engine.backoff import backoff
from bot.github.errors import HubError, rate_limited


def backoffs(error: Exception, count: int) -> list[int]:
    """Return the pauses between attempts that all fail, in seconds."""
    waited, pauses = timedelta(), []
    for _ in range(count):
        pauses.append(backoff(error, waited))
        waited += pauses[-1]
    return [round(pause.total_seconds()) for pause in pauses]


def test_a_rate_limit_without_a_time_is_waited_out_for_a_minute_and_then_twice_as_long_each_time() -> None:
    assert backoffs(rate_limited("GET /x", 403, None), 8) == [60, 60, 120, 240, 480, 900, 900, 900]


@pytest.mark.parametrize("seconds", [1, 600, 3_000])
def test_a_rate_limit_with_a_time_is_waited_out_for_exactly_that_time(seconds: float) -> None:
    assert backoffs(rate_limited("GET /x", 429, seconds), 3) == [seconds] * 3


def test_other_failures_are_retried_soon_and_then_less_often_down_to_every_two_minutes() -> None:
    unreachable = HubError("hub_unreachable", rule="R.", found="F.", next_step="N.", transient=True)

    pauses = backoffs(unreachable, 16)

    assert pauses[0] == 5
    assert pauses == sorted(pauses)
    assert pauses[-1] == 120
