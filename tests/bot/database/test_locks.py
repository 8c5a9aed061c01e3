"""The models' locks: one owner at a time, in the order of the runs' numbers, and never lost with an owner."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.database.store import Store
from bot.runs.machines.training import State
from tests.support.databases import due, open_run
from tests.support.runs import NOON, a_run


def test_a_lock_whose_owner_has_ended_is_free(store: Store) -> None:
    first, second = open_run(store, 1), open_run(store, 2)
    store.locks.take(first)
    store.runs.save(first.replace(state=State.END))
    assert store.locks.take(second) == second.id


def test_a_models_lock_goes_to_the_oldest_run_and_then_to_the_next(store: Store) -> None:
    first, second, other = open_run(store, 1), open_run(store, 2), open_run(store, 3, model="wine")
    assert store.locks.take(second) == first.id, "the older one comes first, even if it has not asked yet"
    assert store.locks.take(first) == first.id
    assert store.locks.take(first) == first.id, "asking twice is asking once"
    assert store.locks.take(other) == other.id, "another model is another lock"
    first = store.runs.save(first.replace(state=State.PREPARE_DATA))
    assert store.locks.take(second) == first.id
    store.runs.save(second.replace(due=None))
    store.locks.release(first)
    assert second.id in due(store, NOON - timedelta(days=1)), "the waiting one is looked at"
    assert store.locks.take(second) == second.id


def test_only_the_owner_can_release_a_lock(store: Store) -> None:
    first, second = open_run(store, 1), open_run(store, 2)
    store.locks.take(first)
    store.locks.release(second)
    assert store.locks.take(second) == first.id


@pytest.mark.parametrize("state", [State.END, None])
def test_a_lock_of_an_ended_or_unknown_run_is_freed_and_queued_runs_are_woken(
    store: Store, state: State | None
) -> None:
    owner = open_run(store, 1) if state else a_run(id="train-20261122-099")
    store.locks.take(owner)
    queued = open_run(store, 2)
    if state:
        store.runs.save(owner.replace(state=state, due=None))
    store.runs.save(queued.replace(due=None))
    assert store.locks.free_orphaned() == [("owner/demo", "breast-cancer")]
    assert due(store, NOON) == [queued.id]
    assert store.locks.take(queued) == queued.id


def test_the_lock_of_an_open_run_is_kept(store: Store) -> None:
    run = open_run(store, 1)
    store.locks.take(run)
    store.runs.save(run.replace(state=State.TRAIN_MODEL))
    assert store.locks.free_orphaned() == []
