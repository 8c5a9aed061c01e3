"""One real demo run, from the opened to the closed issue, part by part.

The demo runs as `make demo` runs it: hub, App as a process of its own, act, two runners, the real stages. The hub's
events give the times; what a stage imported and did stands in its ``<stage>.json``.
"""

from __future__ import annotations

import io
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console

from actions.stages.specs import SPECS
from benchmarks.machine import ROOT
from benchmarks.report import Outcome, Table
from benchmarks.timeline import JOB_COLUMNS, STAGES, JobTimes, StageSeconds, Timeline, between
from runners.local.act.interface import Conclusion, Executor, Report, Work
from runners.local.act.workflow_plan import PlannedJob
from runners.local.demo import command
from runners.local.demo.workspace import REPOSITORY, Running, Workspace
from runners.local.hub.events import Event

PROMISED_IDLE, PROMISED_TOTAL = 3, 60


def run() -> Outcome:
    """Run the demo once and take its times."""
    os.environ.setdefault("MODELYARD_ENVIRONMENTS", str(ROOT / ".modelyard" / "environments"))
    with tempfile.TemporaryDirectory(prefix="modelyard-loop-") as folder:
        workspace = WatchedPlace(Path(folder) / "workspace")
        said = io.StringIO()
        options = command.parser().parse_args([])
        began = time.time()
        code = command.Demo(workspace, options, Console(file=said, width=120)).run()
        ended = time.time()
        if code != 0:
            raise RuntimeError(f"The demo did not come to its end:\n{said.getvalue()}\n{_tail(workspace.app_log)}")
        return _outcome(workspace, began, ended)


def _outcome(workspace: WatchedPlace, began: float, ended: float) -> Outcome:
    watch = workspace.watch
    line = watch.timeline
    whole = [
        ("demo's start to opened issue (repository, hub, App)", round(line.opened - began, 3)),
        *line.parts(),
        ("closed issue to the demo's end", round(ended - line.closed, 3)),
        ("the whole demo", round(ended - began, 3)),
    ]
    stages = dict(_stage_seconds(workspace.folder / "storage"))
    sent = between(watch.requests, line.opened, line.closed)
    before = between(watch.requests, line.opened, line.dispatched)
    end = list(_end(workspace.app_log, watch))
    return Outcome(
        [
            Table("from issue to model: sklearn://breast_cancer, xgboost", ("part", "seconds"), [*whole]),
            Table("jobs", JOB_COLUMNS, [*line.job_rows(stages)]),
            Table("the App after the last job", ("what", "seconds", "requests to the hub"), [*end]),
        ],
        [
            f"Promised: under {PROMISED_IDLE} s in which no job runs, under {PROMISED_TOTAL} s for the whole demo, on 2 cores.",
            f"Until the issue was closed the App sent {sent} requests, {before} of them before the dispatch.",
            "start of Python: the stage's step less its imports and work: interpreter, command line, digests, summary.",
        ],
    )


# --- watching --------------------------------------------------------------------------------------------------------


class Watch:
    """Takes the time of what happens on a hub."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.requests: list[float] = []
        """When the App asked the hub for something."""
        self._lock = threading.Lock()

    def event(self, event: Event) -> None:
        """Take the time of an event; the first of its kind counts, where there may be more."""
        now = time.time()
        line = self.timeline
        with self._lock:
            match event.name, event.action:
                case "issues", "opened":
                    line.opened = now
                case "issues", "closed":
                    line.closed = now
                case "issue_comment", "created":
                    line.first_comment = line.first_comment or now
                case "workflow_dispatch", _:
                    line.dispatched = now
                case "workflow_job", "queued":
                    line.jobs[_job_name(event)] = JobTimes(queued=now)
                case _:
                    pass

    @contextmanager
    def hearing_requests(self) -> Iterator[None]:
        """Count the App's requests while the block lasts."""
        log = logging.getLogger("runners.local.hub.rest.framework")
        handler = _Requests(self.requests)
        before = log.level
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(before)


def _job_name(event: Event) -> str:
    return str(event.payload["workflow_job"]["name"]).rpartition("/")[2].strip()


class _Requests(logging.Handler):
    def __init__(self, times: list[float]) -> None:
        super().__init__(logging.DEBUG)
        self._times = times

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if kind in {"app", "installation"}:
            self._times.append(record.created)


class WatchedPlace(Workspace):
    """A workspace whose hub is watched."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.watch = Watch()

    @contextmanager
    def running(self) -> Iterator[Running]:
        with super().running() as running, self.watch.hearing_requests():
            hub = running.hub
            hub.events.listen(self.watch.event)
            hub.runs.executor = TimedExecutor(hub.runs.executor, self.watch.timeline)
            yield running


@dataclass(frozen=True)
class TimedExecutor:
    """Executes as another one does, and takes the times of jobs and steps."""

    inner: Executor
    timeline: Timeline

    def execute(self, work: Work, report: Report, cancelled: threading.Event) -> None:
        self.inner.execute(work, TimedReport(report, self.timeline), cancelled)


class TimedReport:
    """Passes on what it is told, with a look at the clock."""

    def __init__(self, inner: Report, timeline: Timeline) -> None:
        self._inner = inner
        self._timeline = timeline
        self._begun: dict[tuple[str, str], float] = {}
        self.line = inner.line
        self.summary = inner.summary

    def job_started(self, job: PlannedJob) -> None:
        now = time.time()
        self._inner.job_started(job)
        self._timeline.jobs[_name(job)].started = now

    def job_ended(self, job: PlannedJob, conclusion: Conclusion) -> None:
        now = time.time()
        self._inner.job_ended(job, conclusion)
        if _name(job) in self._timeline.jobs:
            self._timeline.jobs[_name(job)].ended = now

    def step_started(self, job: PlannedJob, name: str) -> None:
        self._begun[job.key, name] = time.time()
        self._inner.step_started(job, name)

    def step_ended(self, job: PlannedJob, name: str, conclusion: Conclusion) -> None:
        if (begun := self._begun.pop((job.key, name), None)) is not None:
            self._timeline.jobs[_name(job)].steps[name] = time.time() - begun
        self._inner.step_ended(job, name, conclusion)


def _name(job: PlannedJob) -> str:
    return job.name.rpartition("/")[2].strip()


# --- what is left behind ---------------------------------------------------------------------------------------------


def _stage_seconds(storage: Path) -> Iterator[tuple[str, StageSeconds]]:
    for stage in STAGES:
        for path in (storage / REPOSITORY / SPECS[stage].area).glob(f"*/1/{stage}.json"):
            record = json.loads(path.read_text(encoding="utf-8"))
            yield stage, StageSeconds(record["import_seconds"], record["work_seconds"])


def _end(log: Path, watch: Watch) -> Iterator[tuple[str, float, int]]:
    """Give what the App did between the last job and the closed issue, state by state, as its log says it."""
    start, closed = watch.timeline.in_order()[-1][1].ended, watch.timeline.closed
    for line in log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        end = datetime.fromisoformat(entry["timestamp"]).timestamp()
        if (
            entry["logger"] != "bot.engine.run_driver"
            or not entry["message"].startswith("run ")
            or not start <= end < closed
            or entry["message"].endswith("waits")
        ):
            continue
        what = entry["message"].partition(": ")[2].partition(",")[0]
        yield what, round(end - start, 3), between(watch.requests, start, end)
        start = end
    yield "the last words, until the issue is closed", round(closed - start, 3), between(watch.requests, start, closed)


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8")[-3_000:] if path.is_file() else ""
