"""Schedules in .github/modelyard.yml: each slot asks once, by an issue, and the run starts from that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from bot.database.schedules import Schedules
from bot.parsing.repository_config import CONFIG_PATH
from tests.support.loop import Loop, Serving, loop_of_processes, loop_with_app
from tests.support.repositories import git
from tests.support.runs import a_request

Apart = tuple[Loop, Callable[..., Serving]]


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    """Return a loop whose App is not up, with the function that serves it; it looks at everything very often."""
    with (
        loop_with_app(tmp_path) as made,
        patch("bot.engine.reconciler.INTERVAL", timedelta(seconds=0.1)),
        patch("bot.engine.scheduler.INTERVAL", 0.05),
    ):
        made[0].clock.reset(speed=0)
        made[0].clock.jump(timedelta(hours=1) - timedelta(seconds=datetime.now(UTC).timestamp() % 3_600 - 60))
        yield made


def a_schedule(name: str = "hourly", cron: str = "0 * * * *", **changes: Any) -> dict[str, Any]:
    request = a_request(**changes).model_dump(exclude_defaults=True)
    return {"name": name, "cron": cron, "request": request}


def configure(loop: Loop, *schedules: dict[str, Any], text: str = "") -> None:
    """Commit a configuration to the default branch, as by a merged pull request."""
    folder = loop.storage.parent / "checkout"
    if not folder.exists():
        git(loop.storage.parent, "clone", "--quiet", str(bare(loop)), "checkout")
    git(folder, "pull", "--quiet", "--rebase")
    content = text or json.dumps({"schedules": schedules}, indent=1)
    (folder / CONFIG_PATH).write_text(content, encoding="utf-8")
    git(folder, "commit", "--quiet", "--all", "--message", "Configure")
    git(folder, "push", "--quiet", "origin", "HEAD:main")


def bare(loop: Loop) -> Path:
    return loop.storage.parent / "hub" / "repositories" / f"{loop.name}.git"


def opened(loop: Loop) -> list[dict[str, Any]]:
    """Return the issues that the App has opened, the oldest first."""
    with loop.person("owner") as client:
        found = client.get("/issues", params={"state": "all", "per_page": 100, "direction": "asc"}).json()
    return [issue for issue in found if issue["user"]["login"] == "modelyard[bot]"]


def until_opened(loop: Loop, count: int) -> None:
    loop.until(lambda: len(opened(loop)) == count, f"{count} issues")


def kept(loop: Loop) -> list[str]:
    return [name.rpartition("/")[2] for name in Schedules(loop.store.database).names()]


def settled(loop: Loop) -> None:
    """Wait until each slot that has come is fired and handled."""
    schedules = Schedules(loop.store.database)
    loop.until(lambda: (at := schedules.next_at()) is None or at > loop.clock(), "nothing is due")
    loop.until(lambda: not loop.hub.deliveries.find(state="pending"), "everything is delivered")
    loop.until(lambda: not loop.store.inbox.entries("new"), "everything is handled")


def test_each_slot_opens_one_issue_that_is_trained_once(apart: Apart) -> None:
    loop, serve = apart
    configure(loop, a_schedule(model_name="again", hyperparameters={"n_estimators": 20}))
    with serve():
        loop.until(lambda: kept(loop) == ["hourly"], "the schedule is known")
        assert opened(loop) == []
        for slot in (1, 2):
            loop.jump(hours=1)
            until_opened(loop, slot)
            run = loop.until_ended(opened(loop)[-1]["number"])
            assert (run.status, run.requester.login, run.request.hyperparameters) == (
                "passed",
                "modelyard[bot]",
                {"n_estimators": 20},
            )
        settled(loop)
    assert len(opened(loop)) == len(loop.jobs.works) == 2
    assert "schedule `hourly`" in opened(loop)[0]["body"]
    assert opened(loop)[0]["title"].startswith("Train: again (hourly, 20")


@pytest.mark.slow
def test_slots_that_were_missed_while_the_app_was_down_are_one_issue(apart: Apart) -> None:
    loop, serve = apart
    configure(loop, a_schedule())
    with serve():
        loop.until(lambda: kept(loop) == ["hourly"], "the schedule is known")
    loop.jump(days=9)
    with serve():
        loop.until(lambda: opened(loop), "an issue")
        loop.until_ended(opened(loop)[0]["number"])
        settled(loop)
    assert len(opened(loop)) == 1


def test_nothing_fires_again_when_the_clock_goes_back(apart: Apart) -> None:
    loop, serve = apart
    configure(loop, a_schedule())
    with serve():
        loop.until(lambda: kept(loop) == ["hourly"], "the schedule is known")
        loop.jump(hours=1)
        loop.until(lambda: opened(loop), "an issue")
        loop.until_ended(opened(loop)[0]["number"])
        loop.jump(hours=-1)
        settled(loop)
        loop.jump(hours=1, minutes=1)
        settled(loop)
    assert len(opened(loop)) == 1


def test_a_broken_configuration_keeps_the_schedules_is_reported_once_and_they_resume_after_a_fix(apart: Apart) -> None:
    loop, serve = apart
    configure(loop, a_schedule())
    with serve():
        loop.until(lambda: kept(loop) == ["hourly"], "the schedule is known")
        configure(loop, text="schedules: [1]\n")
        for _ in range(3):
            loop.jump(hours=1)
            settled(loop)
        loop.until(lambda: opened(loop), "it is told")
        settled(loop)
        assert kept(loop) == ["hourly"]
        [told] = opened(loop)
        assert "`.github/modelyard.yml` is invalid" in told["body"]
        assert (told["state"], loop.labels(told["number"])) == ("open", {"mlops:invalid"})
        assert loop.jobs.works == []
        configure(loop, a_schedule())
        loop.jump(hours=1)
        loop.until(lambda: len(opened(loop)) == 2, "an issue")
        assert loop.until_ended(opened(loop)[1]["number"]).status == "passed"


def test_a_schedule_that_is_removed_stops_and_another_expression_counts_from_now(apart: Apart) -> None:
    loop, serve = apart
    configure(loop, a_schedule("goes"), a_schedule("changes"), a_schedule("stays", "30 0 1 1 *"))
    with serve():
        loop.until(lambda: kept(loop) == ["changes", "goes", "stays"], "the schedules are known")
        configure(loop, a_schedule("changes", "0 0 1 1 *"), a_schedule("stays", "30 0 1 1 *"))
        loop.until(lambda: kept(loop) == ["changes", "stays"], "one is gone")
        january = Schedules(loop.store.database)
        loop.until(lambda: january.next_at().month == 1, "the other has its new time")  # type: ignore[union-attr]
        loop.jump(hours=2)
        settled(loop)
    assert opened(loop) == []


def test_a_slot_that_comes_after_its_schedule_was_removed_opens_nothing(apart: Apart) -> None:
    loop, serve = apart
    configure(loop, a_schedule())
    with serve():
        loop.until(lambda: kept(loop) == ["hourly"], "the schedule is known")
    configure(loop)
    loop.jump(hours=1)
    with patch("bot.engine.reconciler.scheduler.update_schedules"), serve():
        settled(loop)
    assert opened(loop) == []


def test_schedules_of_a_repository_that_the_app_has_left_are_forgotten(apart: Apart) -> None:
    loop, serve = apart
    configure(loop, a_schedule())
    with serve():
        loop.until(lambda: kept(loop) == ["hourly"], "the schedule is known")
        loop.hub.installations.update(loop.ready.installation_id, repository_ids=[])
        loop.until(lambda: kept(loop) == [], "it is forgotten")


@pytest.mark.slow
def test_two_replicas_of_which_one_dies_open_one_issue_for_a_slot(tmp_path: Path) -> None:
    with loop_of_processes(tmp_path) as (loop, start):
        configure(loop, a_schedule())
        start("serve", "--no-worker")
        start("worker", kill_at=f"modelyard_schedule.after:{tmp_path}")
        loop.until(lambda: kept(loop) == ["hourly"], "the schedule is known")
        schedules = Schedules(loop.store.database)
        [name] = schedules.names()
        schedules.remove(name)
        # Its slot was long ago: both find it due.
        start("worker", kill_at=f"modelyard_schedule.after:{tmp_path}")
        schedules.set(name, "0 * * * *", datetime.now(UTC) - timedelta(hours=2))
        loop.until((tmp_path / "modelyard_schedule.after").exists, "one opens the issue and dies")
        loop.until(lambda: len(opened(loop)) == 1, "an issue")
        loop.until_ended(opened(loop)[0]["number"])
        loop.until(lambda: not loop.store.inbox.entries("new"), "everything is handled")
        assert len(opened(loop)) == len(loop.jobs.works) == 1
