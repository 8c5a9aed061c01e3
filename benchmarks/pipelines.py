"""A four-stage run on iris: what Modelyard, DVC, Metaflow and ZenML each add to the same four commands.

The commands are what a runner's job calls: ``python -m runners.job`` with prepare, train, evaluate and judge. They hand over to
each other through the storage, leave records and skip themselves where nothing has changed; one after the other with nothing
around them, they are the floor. Whatever runs them takes the floor's time and its own: the overhead. Modelyard has two ways. On
one machine, without a hub, ``modelyard run prepare train evaluate judge`` does the same four stages in one process, which imports
libraries once: its overhead can be below zero. Through the hub it is all from the opened issue to the end of the job judge: form,
App, dispatch, act, and in each of four jobs checkout and set-up. For the others it is ``dvc repro``, ``python flow.py run`` and
``python pipeline.py`` on this machine, with four steps that call the four commands.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actions.contracts.stage import Stage
from actions.stages.specs import SPECS
from actions.storage.folder import Storage
from actions.tasks.exchange import WorkOrder
from benchmarks.machine import ROOT
from benchmarks.orders import command_of, environment_of, order_of
from benchmarks.pipeline_peers import FOUR, PEERS, Peer
from benchmarks.processes import Taken, plain_environment, taken
from benchmarks.report import Cell, Outcome, Table, median

TIMES = 3
ONE_COMMAND = [*command_of(FOUR[0]), *FOUR[1:]]
FLOOR = "the four commands, nothing around them"
ONE = "Modelyard: one command for four stages"
HUB = "Modelyard: issue to verdict, local hub and act"


@dataclass
class Ways:
    """What each way of running the stages took, turn by turn: anew, and once more with nothing changed."""

    anew: dict[str, list[Taken]] = field(default_factory=dict)
    again: dict[str, list[Taken]] = field(default_factory=dict)

    def add(self, name: str, anew: Taken, again: Taken | None = None) -> None:
        self.anew.setdefault(name, []).append(anew)
        if again is not None:
            self.again.setdefault(name, []).append(again)


def run() -> Outcome:
    """Run the four stages in turns by each of those that can be installed."""
    return measured(TIMES, PEERS)


def measured(times: int, peers: Sequence[Peer], *, hub: bool = True) -> Outcome:
    """Run the four stages so many times each way."""
    installed = {peer: peer.installed() for peer in peers}
    missing = [f"{peer.title} is left out: {why}." for peer, (programs, why) in installed.items() if programs is None]
    ways = Ways()
    with tempfile.TemporaryDirectory(prefix="modelyard-pipelines-") as name:
        # The first time is set-up: databases are made, bytecode is compiled.
        for turn in range(times + 1):
            noted = ways if turn else Ways()
            _floor(Path(name) / f"{turn}-bare", noted)
            _one(Path(name) / f"{turn}-one", noted)
            for peer, (programs, _) in installed.items():
                if programs is not None:
                    _peer(Path(name) / f"{turn}-{peer.name.lower()}", peer, programs, noted)
        try:
            for _ in range(times if hub else 0):
                ways.add(HUB, _hub())
        except RuntimeError as error:  # a machine that is busy: the App has half a minute to start
            missing.append(f"{HUB} is left out, it failed: {str(error).strip().splitlines()[-1][:300]}")
            ways.anew.pop(HUB, None)
    return Outcome(
        [Table("four stages on sklearn://iris, logistic_regression", COLUMNS, rows_of(ways))],
        [
            f"Medians of {times}, in turns (the hub's at the end); overhead: to the turn's four commands. CPU of the hub's way: with the job",
            "publish, without hub's and App's start. again: once more with nothing changed (Metaflow has no such cache: the commands",
            "skip themselves; the hub's second issue would be a run of its own).",
            *missing,
        ],
    )


COLUMNS = ("way", "seconds", "overhead s", "CPU s", "overhead CPU s", "again s", "again CPU s")


def rows_of(ways: Ways) -> list[tuple[Cell, ...]]:
    """Return a row for each way; overheads are medians of those of each turn."""
    rows: list[tuple[Cell, ...]] = []
    for name, took in ways.anew.items():
        beyond = [one - floor for one, floor in zip(took, ways.anew[FLOOR], strict=True)]
        again = ways.again.get(name)
        rows.append(
            (
                name,
                median([one.wall for one in took]),
                None if name == FLOOR else median([one.wall for one in beyond]),
                median([one.processor for one in took]),
                None if name == FLOOR else median([one.processor for one in beyond]),
                median([one.wall for one in again]) if again else None,
                median([one.processor for one in again]) if again else None,
            )
        )
    return rows


def _order(folder: Path) -> WorkOrder:
    (folder / "storage").mkdir(parents=True)
    return order_of(folder / "storage")


def _floor(folder: Path, ways: Ways) -> None:
    order = _order(folder)
    anew, again = (_one_after_another(order) for _ in range(2))
    ways.add(FLOOR, anew, again)


def _one(folder: Path, ways: Ways) -> None:
    order = _order(folder)
    anew, again = (taken(ONE_COMMAND, environment_of(order)) for _ in range(2))
    if [stage["skipped"] for stage in json.loads(again.said)["stages"]] != [True] * len(FOUR):
        raise RuntimeError(f"the second time should skip all stages: {again.said}")
    ways.add(ONE, anew, again)


def _one_after_another(order: WorkOrder) -> Taken:
    each = [taken(command_of(stage), environment_of(order)) for stage in FOUR]
    verdict = json.loads(each[-1].said)["record"]["result"]["verdict"]
    if verdict["status"] != "passed":
        raise RuntimeError(f"the model should pass: {verdict}")
    return Taken(
        sum(one.wall for one in each), sum(one.processor for one in each), max(one.peak_mb for one in each), ""
    )


def _peer(folder: Path, peer: Peer, programs: Path, ways: Ways) -> None:
    order = _order(folder)
    commands: Mapping[Stage, Sequence[str]] = {stage: command_of(stage) for stage in FOUR}
    storage = Storage(folder / "storage")
    records = {stage: SPECS[stage].folder(order, storage) / f"{stage}.json" for stage in FOUR}
    peer.prepare(programs, folder, commands, {stage: path.relative_to(folder) for stage, path in records.items()})
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    environment = environment_of(order) | peer.environment(folder) | {"PATH": path}
    anew, again = (taken(peer.command(programs, folder), environment, folder) for _ in range(2))
    if missing := [stage for stage, record in records.items() if not record.is_file()]:
        raise RuntimeError(f"{peer.title} left {', '.join(missing)} out")
    ways.add(peer.title, anew, again)


def _hub() -> Taken:
    """Run once through the hub; the time is from the opened issue to the end of judge."""
    command = [sys.executable, "-m", "benchmarks.hub_run"]
    known = {name: value for name, value in os.environ.items() if name == "MODELYARD_ENVIRONMENTS"}
    environment = plain_environment(PYTHONPATH=str(ROOT), **known)
    took, start = taken(command, environment), taken([*command, "start"], environment)
    return Taken(json.loads(took.said)["judged"], took.processor - start.processor, took.peak_mb, took.said)
