"""Chaos with the real stages: act runs the real workflow files, while the App's processes are killed."""

from __future__ import annotations

import random
import time
from pathlib import Path

from actions.tasks.registry import TrainingRequest
from bot.database.store import Store
from runners.local.demo.workspace import Workspace
from tests.chaos.driver import Outcome, People
from tests.chaos.killing import Processes
from tests.chaos.plan import Asked, Kind
from tests.chaos.verdict import wrong
from tests.support.app_process import AppProcess
from tests.support.loop import Clock, Loop, app_processes
from tests.support.runs import a_request
from tests.support.scripted_runs import ScriptedExecutor
from tests.support.unreliable import Unreliable

PASSES = Kind("passes", "passed", "mlops:passed")
NO_RETRIES = Kind("no retries", "rejected", "mlops:failed", retries=0)
IN_VAIN = Kind("approved in vain", "rejected", "mlops:failed", answers=("/approve",), attempts=2, retries=1)
WRONG_DATA = Kind("wrong data", "invalid", "mlops:invalid")
KINDS = (PASSES, PASSES, IN_VAIN, PASSES, WRONG_DATA, PASSES, NO_RETRIES, PASSES, PASSES, PASSES)
SETTINGS = {"time_factor": "0.2", "write_burst": "1000", "writes_per_second": "100", "log_level": "WARNING"}
AT_ONCE = 4


def real_chaos(folder: Path, database_url: str, *, runs: int, kills: int, seed: int, patience: float) -> Outcome:
    """Take a number of runs, with their real stages, through a number of kills."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    workspace = Workspace(folder / "workspace")
    workspace.make("approval")
    log = folder / "app.log"
    with workspace.running_hub() as opened:
        given = {**opened.settings, "MODELYARD_DATABASE_URL": database_url}
        storage, store = workspace.folder / "storage", Store(database_url)
        loop = Loop(opened.hub, opened.ready, store, Clock(1), Unreliable(), ScriptedExecutor(), storage)
        with app_processes(given, opened.app_port, log) as start:

            def begin(*words: str, **more: str) -> AppProcess:
                return start(*words, **SETTINGS, **more)

            began = time.monotonic()
            processes = Processes(begin, folder, kills, rng)
            people = People(loop, _asked(runs), at_once=AT_ONCE)
            while not people.done and time.monotonic() - began < patience:
                processes.tend()
                people.act()
                time.sleep(0.2)
            outcome = Outcome(runs, time.monotonic() - began, processes.kills, processes.at_points)
            outcome.lost, outcome.twice = wrong(loop, people.issues)
        store.close()
    return outcome


def _asked(count: int) -> list[Asked]:
    return [Asked(KINDS[number % len(KINDS)], _request(KINDS[number % len(KINDS)], number)) for number in range(count)]


def _request(kind: Kind, number: int) -> TrainingRequest:
    target = "nothing" if kind is WRONG_DATA else "target"
    threshold = 1.0 if kind in (NO_RETRIES, IN_VAIN) else 0.8
    model = "shared" if number % 3 == 0 else f"model-{number}"
    return a_request(
        model_name=model, max_retries=kind.retries, target=target, threshold=threshold, algorithm="logistic_regression"
    )
