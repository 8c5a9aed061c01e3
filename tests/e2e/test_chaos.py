"""Ten runs on each database of what `make chaos` does with hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.local.hub.faults import Kind
from tests.chaos.driver import chaos
from tests.support.databases import postgres_url, sqlite_url


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_runs_end_correctly_and_once_although_the_app_is_killed_and_the_hub_breaks_responses(
    tmp_path: Path, database: str
) -> None:
    url = sqlite_url(tmp_path) if database == "sqlite" else postgres_url()
    outcome = chaos(tmp_path, url, runs=10, kills=8, seed=3, patience=500)
    assert outcome.lost == []
    assert outcome.twice == []
    assert outcome.kills >= 4
    assert set(outcome.faults) & {kind.value for kind in Kind}, "the hub broke answers"
    assert outcome.faults["broken configuration"]
    assert outcome.faults["result that is not finite"]
    assert outcome.faults["FIFO as a report"]
    assert outcome.redelivered
