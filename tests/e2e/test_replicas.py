"""Several processes on one database: one takes webhooks, others work, and one that dies is taken over."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from bot.database.leases import LEASE_TIMEOUT
from bot.runs.machines.training import State
from runners.local.hub.faults import SLOW_SECONDS, Kind
from tests.support.databases import postgres_url, sqlite_url
from tests.support.loop import Loop, loop_of_processes

S = State


def nothing_was_done_twice(loop: Loop, issues: list[int]) -> None:
    log = loop.hub.git(loop.ready.repository).run("log", "--format=%s", "main").decode()
    for issue in issues:
        run, said = loop.run(issue), loop.comments(issue)
        assert len([text for text in said if f"modelyard:run-{run.id}" in text]) == 1
        assert len(said) == len(set(said)) == 2, "the one comment, and that it has finished"
        assert log.count(run.id) == 1, log
    assert len(loop.jobs.works) == len(issues)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_one_replica_accepts_webhooks_two_work_and_one_of_them_dies(tmp_path: Path, kind: str) -> None:
    url = sqlite_url(tmp_path) if kind == "sqlite" else postgres_url()
    with loop_of_processes(tmp_path, url) as (loop, start):
        start("serve", "--no-worker")
        issues = [loop.open(model_name=f"model-{number}") for number in range(4)]
        assert not loop.store.runs.open_runs(), "nobody works yet"
        first = start("worker", kill_at=f"TrainModel.after:{tmp_path}")
        start("worker", kill_at=f"TrainModel.after:{tmp_path}")
        for issue in issues:
            assert loop.until_ended(issue).status == "passed"
        assert (tmp_path / "TrainModel.after").exists()
        assert first.poll() in (None, -signal.SIGKILL)
        nothing_was_done_twice(loop, issues)


@pytest.mark.slow
def test_a_worker_suspended_until_another_took_its_work_writes_nothing_afterwards(tmp_path: Path) -> None:
    with loop_of_processes(tmp_path) as (loop, start):
        start("serve", "--no-worker")
        loop.hub.faults.add("POST", "/issues/1/comments$", Kind.SILENT, executed=True)
        loop.hub.faults.add("GET", "/issues/2/comments$", Kind.SLOW)
        suspended = start("worker", http_timeout_seconds=str(LEASE_TIMEOUT))
        issues = [loop.open(model_name=f"model-{number}") for number in range(2)]
        loop.until(lambda: loop.hub.faults.counts[Kind.SILENT] and loop.hub.faults.counts[Kind.SLOW])
        time.sleep(SLOW_SECONDS + 0.5)  # now the second comment's writer waits for the answer to the first one's
        suspended.send(signal.SIGSTOP)
        other = start("worker", time_factor="0.05")
        for issue in issues:
            assert loop.until_ended(issue).status == "passed"
        other.terminate()
        other.wait()
        suspended.send(signal.SIGCONT)
        issues.append(loop.open(model_name="model-3"))
        assert loop.until_ended(issues[-1]).status == "passed", "it has resumed, and works again"
        nothing_was_done_twice(loop, issues)
