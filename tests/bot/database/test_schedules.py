"""Schedules fire once for each slot."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from bot.database.schedules import Schedules, Slot
from bot.database.store import Store
from tests.support.runs import NOON

HOURLY = "0 * * * *"


def test_a_schedule_fires_in_its_slot_and_not_before(store: Store) -> None:
    schedules = Schedules(store.database)
    schedules.set("retrain", HOURLY, NOON)
    assert schedules.next_at() == NOON + timedelta(hours=1)
    assert schedules.fire(NOON + timedelta(minutes=59)) == []
    assert schedules.fire(NOON + timedelta(hours=1)) == ["retrain"]
    assert schedules.fire(NOON + timedelta(hours=1)) == []


def test_missed_slots_fire_together_once(store: Store) -> None:
    schedules = Schedules(store.database)
    schedules.set("retrain", HOURLY, NOON)
    assert schedules.fire(NOON + timedelta(hours=9, minutes=5)) == ["retrain"]
    assert schedules.next_at() == NOON + timedelta(hours=10)


def test_nothing_fires_again_when_the_clock_goes_back(store: Store) -> None:
    schedules = Schedules(store.database)
    schedules.set("retrain", HOURLY, NOON)
    assert schedules.fire(NOON + timedelta(hours=1)) == ["retrain"]
    assert schedules.fire(NOON + timedelta(minutes=30)) == []
    assert schedules.fire(NOON + timedelta(hours=1, minutes=1)) == []


def test_concurrent_replicas_fire_a_slot_once(store: Store) -> None:
    schedules = Schedules(store.database)
    for name in ("a", "b", "c"):
        schedules.set(name, HOURLY, NOON)
    with ThreadPoolExecutor(4) as pool:
        fired = [
            name for names in pool.map(lambda _: schedules.fire(NOON + timedelta(hours=1)), range(8)) for name in names
        ]
    assert sorted(fired) == ["a", "b", "c"]


def test_setting_a_schedule_again_keeps_its_slot_and_a_new_expression_counts_from_now(store: Store) -> None:
    schedules = Schedules(store.database)
    schedules.set("retrain", HOURLY, NOON)
    schedules.set("retrain", HOURLY, NOON + timedelta(hours=5))
    assert schedules.next_at() == NOON + timedelta(hours=1)
    schedules.set("retrain", "30 2 * * *", NOON + timedelta(hours=5))
    assert schedules.next_at() == NOON + timedelta(hours=14, minutes=30)
    schedules.remove("retrain")
    assert schedules.next_at() is None


def test_a_slot_is_passed_on_before_its_schedule_advances_so_a_crash_in_between_repeats_it(store: Store) -> None:
    schedules = Schedules(store.database)
    schedules.set("retrain", HOURLY, NOON)
    handed: list[Slot] = []

    def die(slot: Slot) -> None:
        handed.append(slot)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        schedules.fire(NOON + timedelta(hours=1), die)
    assert schedules.fire(NOON + timedelta(hours=2, minutes=1), handed.append) == ["retrain"]
    assert handed == [Slot("retrain", NOON + timedelta(hours=1))] * 2
    assert schedules.fire(NOON + timedelta(hours=2, minutes=1), handed.append) == []


def test_schedules_are_listed_by_name_prefix(store: Store) -> None:
    schedules = Schedules(store.database)
    for name in ("1/owner/a/x", "1/owner/a_b/x", "1/owner/aXb/x"):
        schedules.set(name, HOURLY, NOON)
    assert schedules.names("1/owner/a_b/") == ["1/owner/a_b/x"]
    assert len(schedules.names()) == 3
