"""Stored runs: numbered without gaps, one open run per issue, no lost update, restored once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.database.runs import StaleRunError
from bot.database.store import Store
from bot.runs.machines.training import State
from bot.runs.run import WorkflowDispatch
from tests.support.databases import due, open_run, wake_event
from tests.support.runs import NOON, a_run


def test_runs_are_numbered_by_repository_and_an_issue_has_one_open_run(store: Store) -> None:
    first, again, second = open_run(store, 1), open_run(store, 1), open_run(store, 2)
    assert (first.id, again.id, second.id) == ("train-20261122-001", "train-20261122-001", "train-20261122-002")
    store.runs.save(first.replace(state=State.END))
    assert open_run(store, 1).id == "train-20261122-003"


def test_a_run_comes_back_as_it_was_saved(store: Store) -> None:
    run = store.runs.save(open_run(store, 1).replace(state=State.TRAIN_MODEL, attempt=2))
    assert store.runs.get("owner/demo", run.id) == run
    assert store.runs.of_issue("owner/demo", 1) == run
    assert store.runs.of_issue("owner/demo", 2) is None


def test_the_second_of_two_concurrent_saves_is_refused(store: Store) -> None:
    run = open_run(store, 1)
    store.runs.save(run.replace(attempt=2))
    with pytest.raises(StaleRunError):
        store.runs.save(run.replace(attempt=3))
    assert store.runs.change(run, lambda now: now.replace(attempt=now.attempt + 1)).attempt == 3


def test_a_run_is_due_at_its_time_or_when_it_is_woken(store: Store) -> None:
    run = store.runs.save(open_run(store, 1).replace(due=NOON + timedelta(hours=1)))
    assert due(store, NOON) == []
    assert store.next_due() == NOON + timedelta(hours=1)
    sent = WorkflowDispatch(attempt=1, start_at="prepare", title="t", workflow_run=77, sent_at=NOON)
    run = store.runs.save(run.replace(dispatches=(sent,)))
    assert store.inbox.add_all([wake_event("n-1", 78), wake_event("n-2", 77, "owner/other")]) == ["ignored", "ignored"]
    assert due(store, NOON) == []
    assert store.inbox.add_all([wake_event("n-3", 77)]) == ["stored"]
    assert due(store, NOON) == [run.id]
    assert due(store, NOON) == []


def test_a_run_of_a_lost_database_is_restored_once_with_its_lock(store: Store) -> None:
    run = a_run(id="train-20261122-007", state=State.TRAIN_MODEL)
    assert store.runs.restore(run)
    assert not store.runs.restore(run)
    assert store.runs.of_issue("owner/demo", 1) == run
    assert store.locks.take(open_run(store, 2)) == run.id


def test_a_run_of_a_lost_database_never_replaces_a_newer_one(store: Store) -> None:
    newer = open_run(store, 1)
    assert not store.runs.restore(a_run(id="train-20261122-007"))
    assert not store.runs.restore(a_run(id=newer.id, issue=2))
    assert store.runs.of_issue("owner/demo", 1) == newer


def test_numbering_continues_after_the_last_known_run(store: Store) -> None:
    assert not store.runs.has_counter("owner/demo")
    store.runs.start_counter("owner/demo", 41)
    assert store.runs.has_counter("owner/demo")
    store.runs.start_counter("owner/demo", 3)
    assert open_run(store, 1).number == 42
