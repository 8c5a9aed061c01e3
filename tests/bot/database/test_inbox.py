"""The inbox: each delivery is stored once, durably, and handled until it succeeds or is dead-lettered."""

from __future__ import annotations

from datetime import timedelta

from bot.database.inbox import MAX_ATTEMPTS
from bot.database.store import Store
from bot.runs.machines.training import State
from bot.runs.run import WorkflowDispatch
from tests.support.databases import a_delivery, due, open_run, waiting, wake_event
from tests.support.runs import NOON


def test_a_delivery_is_stored_once_and_survives_a_restart(database_url: str) -> None:
    first = Store(database_url)
    assert first.inbox.add_all([a_delivery()]) == ["stored"]
    assert first.inbox.add_all([a_delivery()]) == ["repeated"]
    first.close()
    second = Store(database_url)
    assert waiting(second, NOON) == ["d-1"]
    assert second.inbox.to_handle("d-1") == a_delivery()
    second.inbox.mark_done("d-1")
    assert second.inbox.to_handle("d-1") is None
    assert waiting(second, NOON) == []
    second.close()


def test_a_delivery_is_read_with_the_id_that_has_its_repository_s_name(store: Store) -> None:
    delivery = a_delivery()
    assert delivery.repository is not None
    store.repositories.matches(7, delivery.repository)
    store.repositories.matches(8, "owner/other")
    store.inbox.add_all([delivery])
    read = store.inbox.to_handle("d-1")
    assert read is not None
    assert read.holder == 7


def test_deliveries_are_handled_in_the_order_in_which_they_were_stored(store: Store) -> None:
    store.inbox.add_all([a_delivery("b"), a_delivery("a")])
    store.inbox.add_all([a_delivery("c")])
    assert waiting(store, NOON) == ["b", "a", "c"]


def test_a_delivery_that_is_twice_in_one_batch_is_stored_once(store: Store) -> None:
    store.inbox.add_all([a_delivery("known")])
    results = store.inbox.add_all([a_delivery("d-1"), a_delivery("known"), a_delivery("d-1"), a_delivery("d-2")])
    assert results == ["stored", "repeated", "repeated", "stored"]
    assert waiting(store, NOON) == ["known", "d-1", "d-2"]


def test_a_delivery_that_only_wakes_a_run_is_done_when_it_is_stored(store: Store) -> None:
    sent = WorkflowDispatch(attempt=1, start_at="prepare", title="t", workflow_run=77, sent_at=NOON)
    run = store.runs.save(open_run(store, 1).replace(dispatches=(sent,), due=None))
    assert store.inbox.add_all([wake_event("n-1", 77), wake_event("n-1", 77), wake_event("n-2", 77)]) == [
        "stored",
        "repeated",
        "stored",
    ]
    assert waiting(store, NOON) == []
    assert due(store, NOON) == [run.id]
    assert store.inbox.add_all([wake_event("n-2", 77)]) == ["repeated"]
    assert due(store, NOON) == []


def test_a_delivery_that_fails_is_retried_later_and_finally_dead_lettered(store: Store) -> None:
    store.inbox.add_all([a_delivery()])
    assert not store.inbox.mark_failed("d-1", "first", NOON)
    assert waiting(store, NOON) == []
    assert waiting(store, NOON + timedelta(minutes=1)) == ["d-1"]
    outcomes = [store.inbox.mark_failed("d-1", "again", NOON) for _ in range(MAX_ATTEMPTS - 1)]
    assert outcomes == [False, False, False, True]
    assert waiting(store, NOON + timedelta(days=1)) == []


def test_postponing_a_delivery_does_not_count_as_an_attempt(store: Store) -> None:
    store.inbox.add_all([a_delivery()])
    for hours in range(10):
        store.inbox.postpone("d-1", "GitHub is away", NOON + timedelta(hours=hours + 1))
    assert waiting(store, NOON + timedelta(hours=9)) == []
    assert waiting(store, NOON + timedelta(hours=10)) == ["d-1"]


def test_the_inbox_knows_which_deliveries_it_has_received(store: Store) -> None:
    store.inbox.add(a_delivery())
    names = {f"d-{number}" for number in range(1_200)}
    assert store.inbox.known(names) == {"d-1"}
    assert store.inbox.known(set()) == set()


def test_a_run_that_has_ended_is_not_woken(store: Store) -> None:
    sent = WorkflowDispatch(attempt=1, start_at="prepare", title="t", workflow_run=77, sent_at=NOON)
    store.runs.save(open_run(store, 1).replace(dispatches=(sent,), state=State.END))
    assert store.inbox.add_all([wake_event("n-1", 77)]) == ["ignored"]
