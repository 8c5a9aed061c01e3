"""Several replicas on one database: one of them at a time has each piece of work, and a dead one's is taken over."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.database import leases
from bot.database.leases import LEASE_TIMEOUT, Leases
from bot.database.store import Store
from bot.database.tables import LEASES, REPLICAS
from bot.runs.machines.training import State
from bot.webhooks.delivery import Delivery
from tests.support.runs import NOON, a_run

ROOM = 100


def a_replica(store: Store) -> Leases:
    replica = Leases(store.database)
    replica.heartbeat()
    return replica


def opened(store: Store, issue: int) -> str:
    return store.runs.open(lambda number: a_run(id=f"train-20261122-{number:03}", issue=issue)).id


def deliver(store: Store, name: str, repository: str = "owner/demo") -> None:
    store.inbox.add(
        Delivery(
            id=name, event="issues", action="opened", repository=repository, installation=1, payload=b"{}",
            received_at=NOON,
        )
    )  # fmt: skip


def replicas(store: Store) -> set[str]:
    with store.database.transaction() as connection:
        return set(connection.execute(sa.select(REPLICAS.c.id)).scalars())


def lessees(store: Store) -> set[str]:
    with store.database.transaction() as connection:
        return set(connection.execute(sa.select(LEASES.c.replica)).scalars())


def falls_silent(store: Store, replica: Leases) -> None:
    """Pretend that the replica's last heartbeat was a while ago."""
    with store.database.transaction() as connection:
        mine = REPLICAS.update().where(REPLICAS.c.id == replica.replica)
        connection.execute(mine.values(beat=REPLICAS.c.beat - LEASE_TIMEOUT - 1))


def test_a_run_belongs_to_one_replica_until_its_lease_is_released(store: Store) -> None:
    run = opened(store, 1)
    first, second = a_replica(store), a_replica(store)
    assert first.take_runs(NOON, (), ROOM) == [("owner/demo", run)]
    assert second.take_runs(NOON, (), ROOM) == []
    first.release("owner/demo", run)
    assert second.take_runs(NOON, (), ROOM) == [("owner/demo", run)]


def test_different_replicas_can_handle_the_deliveries_of_different_repositories(store: Store) -> None:
    first, second = a_replica(store), a_replica(store)
    deliver(store, "a-1", "owner/a")
    deliver(store, "a-2", "owner/a")
    assert first.take_inboxes(NOON, (), ROOM) == {"owner/a": ["a-1", "a-2"]}
    deliver(store, "a-3", "owner/a")
    deliver(store, "b-1", "owner/b")
    assert second.take_inboxes(NOON, (), ROOM) == {"owner/b": ["b-1"]}


def test_a_replica_takes_no_more_than_its_limit(store: Store) -> None:
    runs = [opened(store, issue) for issue in range(1, 6)]
    first, second = a_replica(store), a_replica(store)
    mine = first.take_runs(NOON, (), 2)
    assert len(mine) == 2
    assert len(first.take_runs(NOON, mine, 1)) == 1, "beside what it works on already"
    assert len(second.take_runs(NOON, (), ROOM)) == len(runs) - 3
    assert first.take_runs(NOON, (), 0) == []


def test_what_a_replica_works_on_takes_no_room_from_what_else_is_due(store: Store) -> None:
    runs = {opened(store, issue) for issue in (1, 2)}
    replica = a_replica(store)
    (first,) = replica.take_runs(NOON, (), 1)
    (second,) = replica.take_runs(NOON, [first], 1)
    assert {first[1], second[1]} == runs


def test_a_replica_takes_all_deliveries_of_as_many_repositories_as_it_has_room_for(store: Store) -> None:
    for name, repository in (("d-1", "owner/a"), ("d-2", "owner/b"), ("d-3", "owner/a"), ("d-4", "owner/c")):
        deliver(store, name, repository)
    replica = a_replica(store)
    assert replica.take_inboxes(NOON, (), 0) == {}
    assert replica.take_inboxes(NOON, (), 1) == {"owner/a": ["d-1", "d-3"]}
    assert replica.take_inboxes(NOON, ["owner/a"], 2) == {"owner/b": ["d-2"], "owner/c": ["d-4"]}


@pytest.mark.parametrize("is_other_users", [False, True])
def test_a_process_that_is_alive_keeps_its_work_and_notices_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, is_other_users: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    second = a_replica(store)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: alive.pid)
            first = a_replica(store)
        if is_other_users:
            monkeypatch.setattr(os, "kill", refuse)
        second.heartbeat()
        alive.communicate(b"\n")
    assert alive.returncode == 0
    assert replicas(store) == {first.replica, second.replica}


def test_the_work_of_a_replica_without_heartbeats_is_taken_over(store: Store) -> None:
    run = opened(store, 1)
    deliver(store, "d-1")
    first, second = a_replica(store), a_replica(store)
    first.take_runs(NOON, (), ROOM)
    first.take_inboxes(NOON, (), ROOM)
    falls_silent(store, first)
    assert second.take_runs(NOON, (), ROOM) == [("owner/demo", run)]
    assert second.take_inboxes(NOON, (), ROOM) == {"owner/demo": ["d-1"]}


def test_the_work_of_a_replica_whose_process_is_gone_is_taken_over_at_the_next_heartbeat(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(store, 1)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    first, second = Leases(store.database), a_replica(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: gone.pid)
        first.heartbeat()
    first.take_runs(NOON, (), ROOM)
    assert second.take_runs(NOON, (), ROOM) == []
    second.heartbeat()
    assert second.take_runs(NOON, (), ROOM) == [("owner/demo", run)]


def test_a_process_id_from_another_machine_proves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened(store, 1)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    first, second = Leases(store.database), a_replica(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: gone.pid)
        patch.setattr(leases, "host", lambda: "elsewhere")
        first.heartbeat()
    assert first.take_runs(NOON, (), ROOM) == [("owner/demo", run)]
    second.heartbeat()
    assert second.take_runs(NOON, (), ROOM) == []


def test_a_silent_replica_of_another_machine_is_forgotten_at_the_next_heartbeat(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = a_replica(store)
    with monkeypatch.context() as patch:
        patch.setattr(leases, "host", lambda: "elsewhere")
        first = a_replica(store)
    second.heartbeat()
    assert first.replica in replicas(store), "it is not silent yet"
    falls_silent(store, first)
    second.heartbeat()
    assert replicas(store) == {second.replica}


def test_a_replica_that_was_taken_over_does_not_release_its_successors_lease(store: Store) -> None:
    run = opened(store, 1)
    first, second, third = a_replica(store), a_replica(store), a_replica(store)
    first.take_runs(NOON, (), ROOM)
    falls_silent(store, first)
    assert second.take_runs(NOON, (), ROOM) == [("owner/demo", run)]
    first.release("owner/demo", run)
    assert third.take_runs(NOON, (), ROOM) == []


def test_the_run_that_has_been_due_longest_is_taken_first(store: Store) -> None:
    runs = [store.runs.get("owner/demo", opened(store, issue)) for issue in (1, 2, 3)]
    for run, minutes in zip(runs, (3, 1, 2), strict=True):
        store.runs.save(run.replace(due=NOON + timedelta(minutes=minutes)))
    replica, later = a_replica(store), NOON + timedelta(minutes=5)
    first = replica.take_runs(later, (), 1)
    assert first == [("owner/demo", runs[1].id)]
    assert replica.take_runs(later, first, 1) == [("owner/demo", runs[2].id)]


def test_taking_one_run_leaves_the_wake_up_of_another_in_its_repository(store: Store) -> None:
    runs = [store.runs.get("owner/demo", opened(store, issue)).replace(due=None) for issue in (1, 2)]
    for run in runs:
        store.runs.wake(store.runs.save(run))
    replica = a_replica(store)
    taken = [replica.take_runs(NOON, (), 1), replica.take_runs(NOON, (), 1)]
    assert sorted(taken) == [[("owner/demo", run.id)] for run in runs]


def test_leases_end_with_their_replica_and_no_others_do(store: Store) -> None:
    first, second, third = a_replica(store), a_replica(store), a_replica(store)
    for replica, work in ((first, "reconcile"), (second, "clean"), (third, "report")):
        assert replica.take(work)
    first.leave()
    assert lessees(store) == {second.replica, third.replica}
    falls_silent(store, second)
    third.heartbeat()
    assert lessees(store) == {third.replica}


def test_a_wake_up_has_a_run_looked_at_once(store: Store) -> None:
    run = store.runs.save(store.runs.get("owner/demo", opened(store, 1)).replace(due=None))
    replica = a_replica(store)
    assert replica.take_runs(NOON, (), ROOM) == []
    store.runs.wake(run)
    assert replica.take_runs(NOON, (), ROOM) == [("owner/demo", run.id)]
    assert replica.take_runs(NOON, (), ROOM) == []


def test_a_replica_that_leaves_releases_everything(store: Store) -> None:
    run = opened(store, 1)
    first, second = a_replica(store), a_replica(store)
    first.take_runs(NOON, (), ROOM)
    assert first.take("reconcile")
    assert not second.take("reconcile")
    first.leave()
    assert second.take_runs(NOON, (), ROOM) == [("owner/demo", run)]
    assert second.take("reconcile")
    with store.database.transaction() as connection:
        assert connection.execute(sa.select(REPLICAS.c.id)).scalars().all() == [second.replica]


def test_a_run_that_is_woken_while_it_is_processed_is_processed_again(store: Store) -> None:
    run = store.runs.get("owner/demo", opened(store, 1))
    replica = a_replica(store)
    assert replica.take_runs(NOON, (), ROOM)
    store.runs.save(run.replace(due=NOON + timedelta(days=1)))
    replica.release("owner/demo", run.id)
    assert replica.take_runs(NOON, (), ROOM) == []
    other = store.runs.open(lambda number: a_run(id=f"train-20261122-{number:03}", issue=2))
    store.runs.save(other.replace(state=State.END))
    store.locks.release(other)
    assert replica.take_runs(NOON, (), ROOM) == [("owner/demo", run.id)]


def test_concurrent_replicas_share_the_work_and_no_run_is_leased_twice(store: Store) -> None:
    runs = {("owner/demo", opened(store, issue)) for issue in range(1, 41)}
    replicas = [a_replica(store) for _ in range(4)]

    def takes(replica: Leases) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for _ in range(20):
            found += replica.take_runs(NOON, found, 3)
        return found

    with ThreadPoolExecutor(len(replicas)) as pool:
        taken = [run for found in pool.map(takes, replicas) for run in found]
    assert sorted(taken) == sorted(runs)


def test_concurrent_replicas_use_no_run_number_twice(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(3)]
    try:
        with ThreadPoolExecutor(len(stores)) as pool:
            made = list(pool.map(lambda issue: opened(stores[issue % 3], issue % 15), range(60)))
    finally:
        for each in stores:
            each.close()
    assert len(set(made)) == 15, "an issue has one open run, however often it is asked for"
    assert sorted({run[-3:] for run in made}) == [f"{number:03}" for number in range(1, 16)]


def test_a_lock_that_replicas_take_concurrently_has_one_owner(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(3)]
    try:
        run = stores[0].runs.get("owner/demo", opened(stores[0], 1))
        with ThreadPoolExecutor(len(stores)) as pool:
            owners = list(pool.map(lambda number: stores[number % 3].locks.take(run), range(30)))
    finally:
        for each in stores:
            each.close()
    assert set(owners) == {run.id}
