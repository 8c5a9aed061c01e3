"""A stage's sign of life."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from actions.contracts.results import Heartbeat
from actions.stages import heartbeat


def read(folder: Path) -> Heartbeat | None:
    file = folder / "heartbeat.json"
    return Heartbeat.model_validate_json(file.read_bytes()) if file.is_file() else None


def test_it_is_renewed_as_long_as_the_work_lasts_and_gone_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.01)
    monkeypatch.setenv("GITHUB_RUN_ID", "9000000001")
    with heartbeat.beating("train", tmp_path):
        seen: set[str] = set()
        end = time.monotonic() + 10
        while len(seen) < 3 and time.monotonic() < end:
            found = read(tmp_path)
            if found is not None:
                assert (found.stage, found.workflow_run) == ("train", 9_000_000_001)
                seen.add(found.at)
    assert len(seen) == 3
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_takes_nothing_does_not_stop_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with heartbeat.beating("train", tmp_path / "file" / "below"):
        done = True
    assert done
