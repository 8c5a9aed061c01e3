"""The ids of the App's own deliveries: one for each subject, whatever the names of its parts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bot.database.schedules import Schedules
from bot.database.store import Store
from bot.engine.scheduler import Scheduler
from bot.webhooks.synthetic import for_slot
from tests.support.databases import sqlite_url
from tests.support.runs import NOON

NAMES = st.from_regex(r"[a-z0-9-]{1,6}", fullmatch=True)


@given(first=st.tuples(NAMES, NAMES, NAMES), second=st.tuples(NAMES, NAMES, NAMES))
def test_two_schedules_never_share_a_slots_id(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    ids = {for_slot(f"{owner}/{name}", 1, schedule, NOON, NOON).id for owner, name, schedule in (first, second)}
    assert len(ids) == len({first, second})


def test_schedules_of_two_repositories_fire_although_their_names_join_to_the_same_text(tmp_path: Path) -> None:
    store = Store(sqlite_url(tmp_path))
    schedules, start, later = (
        Schedules(store.database),
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=UTC),
    )
    schedules.set("1/owner/demo/x-nightly", "0 3 * * *", start)
    schedules.set("1/owner/demo-x/nightly", "0 3 * * *", start)
    scheduler = Scheduler(store, asyncio.Event(), lambda: later)
    schedules.fire(later, scheduler._store_slot)
    assert {entry.repository for entry in store.inbox.entries("new")} == {"owner/demo", "owner/demo-x"}
    store.close()
