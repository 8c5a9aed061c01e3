from __future__ import annotations

from datetime import timedelta

from bot.database import statistics
from bot.database.inbox import MAX_ATTEMPTS
from bot.database.leases import Leases
from bot.database.store import Store
from bot.runs.machines.training import State
from bot.runs.run import Run
from bot.webhooks.delivery import Delivery
from tests.support.runs import NOON, a_run


def opened(store: Store, issue: int, **changes: object) -> Run:
    day = changes.pop("day", "20261122")
    return store.runs.open(lambda number: a_run(id=f"train-{day}-{number:03}", issue=issue, **changes))


def delivered(store: Store, name: str, minutes: int) -> None:
    store.inbox.add(
        Delivery(
            id=name, event="issues", action="opened", repository="owner/demo", installation=1, payload=b"{}",
            received_at=NOON + timedelta(minutes=minutes),
        )
    )  # fmt: skip


def test_an_empty_database_has_nothing_to_show(store: Store) -> None:
    assert statistics.figures(store.database) == statistics.Figures(0, 0, None, {}, 0)
    assert statistics.runs(store.database) == statistics.Runs((), (), {})


def test_deliveries_are_counted_by_status_with_the_time_of_the_oldest_waiting_one(store: Store) -> None:
    for minutes, name in enumerate(["dead", "done", "old", "new"]):
        delivered(store, name, minutes)
    store.inbox.mark_done("done")
    for _ in range(MAX_ATTEMPTS):
        store.inbox.mark_failed("dead", "a bug", NOON)

    found = statistics.figures(store.database)

    assert (found.waiting, found.dead) == (2, 1)
    assert found.oldest == (NOON + timedelta(minutes=2)).timestamp()


def test_runs_that_have_not_ended_are_counted_by_state(store: Store) -> None:
    opened(store, 1)
    opened(store, 2, state=State.TRAIN_MODEL)
    opened(store, 3, state=State.TRAIN_MODEL)
    opened(store, 4, state=State.END)

    assert statistics.figures(store.database).runs == {"Queued": 1, "TrainModel": 2}


def test_replicas_count_while_their_heartbeats_continue(store: Store) -> None:
    one, other = Leases(store.database), Leases(store.database)
    one.heartbeat()
    other.heartbeat()
    other.leave()

    assert statistics.figures(store.database).replicas == 1


def test_open_runs_and_the_latest_ended_ones_are_shown_with_the_locks(store: Store) -> None:
    holder, waiting = opened(store, 1), opened(store, 2)
    store.locks.take(holder)
    first = opened(store, 3, state=State.END)
    elsewhere = opened(store, 1, state=State.END, repository="owner/other", day="20261123")

    found = statistics.runs(store.database)

    assert [run.id for run in found.open] == [holder.id, waiting.id]
    assert [run.id for run in found.ended] == [elsewhere.id, first.id]
    assert found.locks == {("owner/demo", "breast-cancer"): holder.id}
