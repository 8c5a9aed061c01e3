"""The names of repositories: each belongs to one id, and runs go where their repository's id goes."""

from __future__ import annotations

import pytest

from bot.database.repositories import name_of_replaced
from bot.database.runs import StaleRunError
from bot.database.store import Store
from bot.runs.advance import cancelled
from bot.runs.machines.training import State
from bot.runs.run import Run
from tests.support.databases import open_run
from tests.support.runs import NOON, a_run

NAME = a_run().repository


def ended(run: Run) -> Run:
    return cancelled(run, NOON, "replaced")


def same(run: Run) -> Run:
    return run


def test_a_name_and_an_id_that_are_new_belong_to_each_other_from_then_on(store: Store) -> None:
    assert store.repositories.matches(1, NAME)
    assert store.repositories.matches(1, NAME)
    assert not store.repositories.matches(2, NAME)
    assert not store.repositories.matches(1, "owner/other")
    assert store.repositories.matches(1, NAME), "a question alone records nothing"


def test_another_id_under_a_name_finds_no_run_no_lock_and_no_old_number(store: Store) -> None:
    store.repositories.matches(1, NAME)
    old = open_run(store, 1)
    store.locks.take(old)
    store.repositories.record(2, NAME, replaced=ended, renamed=same)
    assert store.repositories.matches(2, NAME)
    assert store.runs.open_runs() == []
    assert store.runs.of_issue(NAME, old.issue) is None
    assert store.locks.owner(NAME, old.model) is None
    kept = store.runs.get(name_of_replaced(NAME, 1), old.id)
    assert (kept.status, kept.decisions[-1].reason) == ("cancelled", "replaced")
    assert open_run(store, 2).number == old.number + 1


def test_a_renamed_repository_takes_its_runs_locks_and_numbers_along(store: Store) -> None:
    store.repositories.matches(1, NAME)
    old = open_run(store, 1)
    store.locks.take(old)
    done = store.runs.save(open_run(store, 2, model="wine").replace(state=State.END, status="passed"))
    store.repositories.record(1, "owner/new", replaced=ended, renamed=same)
    assert [run.id for run in store.runs.open_runs("owner/new")] == [old.id]
    assert store.runs.get("owner/new", done.id).status == "passed"
    assert store.locks.owner("owner/new", old.model) == old.id
    assert open_run(store, 3).number == 3, "the folders under the old name are not used again"
    assert store.runs.has_counter("owner/new")


def test_the_name_of_a_renamed_repository_is_free_for_another(store: Store) -> None:
    store.repositories.matches(1, NAME)
    store.repositories.record(1, "owner/new", replaced=ended, renamed=same)
    assert store.repositories.matches(2, NAME)
    assert store.repositories.matches(1, "owner/new")


def test_a_repository_that_was_taken_for_deleted_can_come_back_under_a_new_name(store: Store) -> None:
    store.repositories.matches(1, NAME)
    old = open_run(store, 1)
    store.repositories.record(2, NAME, replaced=ended, renamed=same)
    store.repositories.record(1, "owner/new", replaced=ended, renamed=same)
    assert store.runs.get("owner/new", old.id).status == "cancelled"


def test_a_run_that_somebody_still_holds_cannot_be_saved_over_the_moved_one(store: Store) -> None:
    store.repositories.matches(1, NAME)
    held = open_run(store, 1)
    store.repositories.record(2, NAME, replaced=ended, renamed=same)
    with pytest.raises(StaleRunError):
        store.runs.save(held)
