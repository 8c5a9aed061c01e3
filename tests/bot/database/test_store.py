"""The App's database: what is stored stays, once, and only the one whose turn it is gets the lock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.database.store import MAX_ATTEMPTS, StaleRunError, Store
from bot.runs.machines.training import State
from bot.runs.run import Run, WorkflowDispatch
from bot.webhooks.delivery import Delivery
from tests.support.databases import due, waiting
from tests.support.runs import NOON, a_run


def a_delivery(name: str = "d-1") -> Delivery:
    return Delivery(
        id=name, event="issues", action="opened", repository="owner/demo", installation=1, payload=b"{}",
        received_at=NOON,
    )  # fmt: skip


def news(name: str, workflow_run: int, repository: str = "owner/demo") -> Delivery:
    return replace(a_delivery(name), event="workflow_job", repository=repository, workflow_run=workflow_run)


def opened(store: Store, issue: int, model: str = "breast-cancer") -> Run:
    return store.open_run(lambda number: a_run(id=f"train-20261122-{number:03}", issue=issue, model_name=model))


def test_a_delivery_is_taken_in_once_and_stays_after_a_restart(database_url: str) -> None:
    first = Store(database_url)
    assert first.take_in_all([a_delivery()]) == ["stored"]
    assert first.take_in_all([a_delivery()]) == ["repeated"]
    first.close()
    second = Store(database_url)
    assert waiting(second, NOON) == ["d-1"]
    assert second.delivery("d-1") == a_delivery()
    second.delivery_done("d-1")
    assert second.delivery("d-1") is None
    assert waiting(second, NOON) == []
    second.close()


def test_deliveries_come_in_the_order_in_which_they_were_taken_in(store: Store) -> None:
    store.take_in_all([a_delivery("b"), a_delivery("a")])
    store.take_in_all([a_delivery("c")])
    assert waiting(store, NOON) == ["b", "a", "c"]


def test_of_the_same_delivery_twice_in_one_transaction_the_first_counts(store: Store) -> None:
    store.take_in_all([a_delivery("known")])
    results = store.take_in_all([a_delivery("d-1"), a_delivery("known"), a_delivery("d-1"), a_delivery("d-2")])
    assert results == ["stored", "repeated", "repeated", "stored"]
    assert waiting(store, NOON) == ["known", "d-1", "d-2"]


def test_news_is_kept_as_handled_and_wakes_its_run_once(store: Store) -> None:
    sent = WorkflowDispatch(attempt=1, start_at="prepare", title="t", workflow_run=77, sent_at=NOON)
    run = store.save(opened(store, 1).replace(dispatches=(sent,), due=None))
    assert store.take_in_all([news("n-1", 77), news("n-1", 77), news("n-2", 77)]) == ["stored", "repeated", "stored"]
    assert waiting(store, NOON) == []
    assert due(store, NOON) == [run.id]
    assert store.take_in_all([news("n-2", 77)]) == ["repeated"]
    assert due(store, NOON) == []


def test_a_delivery_that_fails_is_put_off_and_at_last_a_dead_letter(store: Store) -> None:
    store.take_in_all([a_delivery()])
    assert not store.delivery_failed("d-1", "first", NOON)
    assert waiting(store, NOON) == []
    assert waiting(store, NOON + timedelta(minutes=1)) == ["d-1"]
    outcomes = [store.delivery_failed("d-1", "again", NOON) for _ in range(MAX_ATTEMPTS - 1)]
    assert outcomes == [False, False, False, True]
    assert waiting(store, NOON + timedelta(days=1)) == []


def test_a_delivery_that_is_put_off_waits_without_counting_a_try(store: Store) -> None:
    store.take_in_all([a_delivery()])
    for hours in range(10):
        store.put_delivery_off("d-1", "GitHub is away", NOON + timedelta(hours=hours + 1))
    assert waiting(store, NOON + timedelta(hours=9)) == []
    assert waiting(store, NOON + timedelta(hours=10)) == ["d-1"]


def test_a_lock_whose_owner_has_ended_is_free(store: Store) -> None:
    first, second = opened(store, 1), opened(store, 2)
    store.take_lock(first)
    store.save(first.replace(state=State.END))
    assert store.take_lock(second) == second.id


def test_runs_are_numbered_by_repository_and_an_issue_has_one_open_run(store: Store) -> None:
    first, again, second = opened(store, 1), opened(store, 1), opened(store, 2)
    assert (first.id, again.id, second.id) == ("train-20261122-001", "train-20261122-001", "train-20261122-002")
    store.save(first.replace(state=State.END))
    assert opened(store, 1).id == "train-20261122-003"


def test_a_run_comes_back_as_it_was_saved(store: Store) -> None:
    run = store.save(opened(store, 1).replace(state=State.TRAIN_MODEL, attempt=2))
    assert store.run("owner/demo", run.id) == run
    assert store.run_of_issue("owner/demo", 1) == run
    assert store.run_of_issue("owner/demo", 2) is None


def test_two_who_save_the_same_run_are_told_apart(store: Store) -> None:
    run = opened(store, 1)
    store.save(run.replace(attempt=2))
    with pytest.raises(StaleRunError):
        store.save(run.replace(attempt=3))
    assert store.change(run, lambda now: now.replace(attempt=now.attempt + 1)).attempt == 3


def test_a_run_is_due_when_its_time_has_come_or_when_it_is_poked(store: Store) -> None:
    run = store.save(opened(store, 1).replace(due=NOON + timedelta(hours=1)))
    assert due(store, NOON) == []
    assert store.next_due() == NOON + timedelta(hours=1)
    sent = WorkflowDispatch(attempt=1, start_at="prepare", title="t", workflow_run=77, sent_at=NOON)
    run = store.save(run.replace(dispatches=(sent,)))
    assert store.take_in_all([news("n-1", 78), news("n-2", 77, "owner/other")]) == ["ignored", "ignored"]
    assert due(store, NOON) == []
    assert store.take_in_all([news("n-3", 77)]) == ["stored"]
    assert due(store, NOON) == [run.id]
    assert due(store, NOON) == []


def test_a_run_that_has_ended_is_not_poked(store: Store) -> None:
    sent = WorkflowDispatch(attempt=1, start_at="prepare", title="t", workflow_run=77, sent_at=NOON)
    store.save(opened(store, 1).replace(dispatches=(sent,), state=State.END))
    assert store.take_in_all([news("n-1", 77)]) == ["ignored"]


def test_a_models_lock_goes_to_the_oldest_and_then_to_the_next(store: Store) -> None:
    first, second, other = opened(store, 1), opened(store, 2), opened(store, 3, model="wine")
    assert store.take_lock(second) == first.id, "the older one comes first, even if it has not asked yet"
    assert store.take_lock(first) == first.id
    assert store.take_lock(first) == first.id, "asking twice is asking once"
    assert store.take_lock(other) == other.id, "another model is another lock"
    first = store.save(first.replace(state=State.PREPARE_DATA))
    assert store.take_lock(second) == first.id
    store.save(second.replace(due=None))
    store.release_lock(first)
    assert second.id in due(store, NOON - timedelta(days=1)), "the waiting one is looked at"
    assert store.take_lock(second) == second.id


def test_only_the_owner_gives_a_lock_back(store: Store) -> None:
    first, second = opened(store, 1), opened(store, 2)
    store.take_lock(first)
    store.release_lock(second)
    assert store.take_lock(second) == first.id


# --- after a loss, and what is left over ---------------------------------------------------------------------------------


def test_a_run_of_an_earlier_database_is_taken_in_once_with_its_lock(store: Store) -> None:
    run = a_run(id="train-20261122-007", state=State.TRAIN_MODEL)
    assert store.restore(run)
    assert not store.restore(run)
    assert store.run_of_issue("owner/demo", 1) == run
    assert store.take_lock(opened(store, 2)) == run.id


def test_a_run_of_an_earlier_database_does_not_take_the_place_of_a_newer_one(store: Store) -> None:
    newer = opened(store, 1)
    assert not store.restore(a_run(id="train-20261122-007"))
    assert not store.restore(a_run(id=newer.id, issue=2))
    assert store.run_of_issue("owner/demo", 1) == newer


def test_runs_are_counted_on_after_the_last_that_is_known_of(store: Store) -> None:
    assert not store.counts("owner/demo")
    store.count_from("owner/demo", 41)
    assert store.counts("owner/demo")
    store.count_from("owner/demo", 3)
    assert opened(store, 1).number == 42


@pytest.mark.parametrize("state", [State.END, None])
def test_a_lock_of_a_run_that_is_over_or_unknown_is_freed_and_who_waits_is_looked_at(
    store: Store, state: State | None
) -> None:
    holds = opened(store, 1) if state else a_run(id="train-20261122-099")
    store.take_lock(holds)
    waits = opened(store, 2)
    if state:
        store.save(holds.replace(state=state, due=None))
    store.save(waits.replace(due=None))
    assert store.free_orphaned_locks() == [("owner/demo", "breast-cancer")]
    assert due(store, NOON) == [waits.id]
    assert store.take_lock(waits) == waits.id


def test_a_lock_of_an_open_run_is_left_alone(store: Store) -> None:
    run = opened(store, 1)
    store.take_lock(run)
    store.save(run.replace(state=State.TRAIN_MODEL))
    assert store.free_orphaned_locks() == []


def test_deliveries_that_arrived_are_told_from_those_that_did_not(store: Store) -> None:
    store.take_in(a_delivery())
    names = {f"d-{number}" for number in range(1_200)}
    assert store.arrived(names) == {"d-1"}
    assert store.arrived(set()) == set()
