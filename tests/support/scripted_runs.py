"""An executor that does what a test says, job by job, instead of running workflows.

``hub.runs.executor = ScriptedExecutor(train=Script(outcome="failure", log=("MemoryError",)))``. Jobs that no script
names succeed at once. What a job does beyond its outcome (write progress.json, push a result) is ``do``; ``publishes``
makes one that publishes a result as the publish stage would.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.local.act.interface import Conclusion, ExecutionError, Report, Work
from runners.local.act.workflow_plan import PlannedJob
from tests.support.repositories import git

STAGES = ("prepare", "train", "evaluate", "judge", "publish")
Do = Callable[[Work, PlannedJob], None]


@dataclass(frozen=True)
class Script:
    """How one job goes. ``seconds`` is how long it takes; ``hang`` lets it last until it is cancelled."""

    outcome: Conclusion = "success"
    seconds: float = 0.0
    hang: bool = False
    log: tuple[str, ...] = ()
    do: Do | None = None


@dataclass
class ScriptedExecutor:
    """Goes through the planned jobs in their order.

    Jobs before the input ``start_at`` are skipped, and so are those that need a job that did not succeed. ``works``
    lists what was asked for; ``hanging`` is set while a job hangs.
    """

    scripts: dict[str, Script]
    broken: str | None = None
    works: list[Work] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)

    def __init__(self, *, broken: str | None = None, **scripts: Script) -> None:
        self.scripts = scripts
        self.broken = broken
        self.works = []
        self.hanging = threading.Event()

    def execute(self, work: Work, report: Report, cancelled: threading.Event) -> None:
        """Execute one run; see ``Executor``."""
        self.works.append(work)
        if self.broken:
            raise ExecutionError(self.broken)
        stopped = False
        start = work.inputs.get("start_at") or work.jobs[0].id
        for job in work.jobs:
            before = job.id in STAGES and start in STAGES and STAGES.index(job.id) < STAGES.index(start)
            if before or stopped or cancelled.is_set():
                report.job_ended(job, "skipped")
                continue
            stopped = self._job(work, job, report, cancelled) != "success"

    def script_for(self, work: Work, job: PlannedJob) -> Script:
        """Return how a job goes."""
        return self.scripts.get(job.id, Script())

    def _job(self, work: Work, job: PlannedJob, report: Report, cancelled: threading.Event) -> Conclusion:
        script = self.script_for(work, job)
        step = job.id.capitalize()
        report.job_started(job)
        report.step_started(job, step)
        for line in script.log:
            report.line(job, line)
        if script.do is not None:
            script.do(work, job)
        if script.hang:
            self.hanging.set()
        if cancelled.wait(60 if script.hang else script.seconds):
            report.step_ended(job, step, "cancelled")
            report.job_ended(job, "cancelled")
            return "cancelled"
        report.step_ended(job, step, script.outcome)
        report.job_ended(job, script.outcome)
        return script.outcome


def order_of(work: Work) -> dict[str, Any]:
    """Return the work order that a run was given."""
    order: dict[str, Any] = json.loads(work.inputs["order"])
    return order


def area(work: Work, name: str) -> Path:
    """Return the storage folder of the run's attempt: ``processed``, ``models`` or ``evaluations``."""
    order = order_of(work)
    parts = (order["repository"], name, order["run"], order["attempt"])
    return Path(str(order["storage_root"])).joinpath(*map(str, parts))


def writes(name: str, files: Mapping[str, Any]) -> Do:
    """Return a ``do`` that writes JSON files into a storage area, such as ``writes("models", {"progress.json": {}})``."""

    def do(work: Work, job: PlannedJob) -> None:
        folder = area(work, name)
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            (folder / path).write_text(json.dumps(content), encoding="utf-8")

    return do


def publishes(result: Callable[[Work], Mapping[str, Any]], plots: Mapping[str, bytes] | None = None) -> Do:
    """Return a ``do`` that publishes a result: an orphan commit under ``refs/modelyard`` and ``published.json``."""

    def do(work: Work, job: PlannedJob) -> None:
        order = order_of(work)
        files = {"result.json": json.dumps(dict(result(work))).encode()}
        files |= {f"plots/{name}": content for name, content in (plots or {}).items()}
        ref = f"refs/modelyard/{order['run']}/{order['attempt']}"
        sha = _orphan_commit(work, ref, files)
        writes("evaluations", {"published.json": {"ref": ref, "sha": sha}})(work, job)

    return do


def _orphan_commit(work: Work, ref: str, files: Mapping[str, bytes]) -> str:
    bare = work.git_folder
    scratch = area(work, "evaluations") / ".scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    index = str(scratch / "index")
    for number, (path, content) in enumerate(files.items()):
        file = scratch / str(number)
        file.write_bytes(content)
        blob = git(bare, "hash-object", "-w", str(file))
        git(bare, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", GIT_INDEX_FILE=index)
        file.unlink()
    tree = git(bare, "write-tree", GIT_INDEX_FILE=index)
    sha = git(bare, "commit-tree", tree, "-m", "Result")
    git(bare, "update-ref", ref, sha)
    Path(index).unlink()
    scratch.rmdir()
    return sha


AREA = {"prepare": "processed", "train": "models", "evaluate": "evaluations", "judge": "evaluations"}


def says(stage: str, kind: str, reason: str = "some_reason") -> Script:
    """Return a stage that fails with an error of its own in its progress."""
    error = {"kind": kind, "reason": reason, "rule": "A rule.", "found": "`Something` else.", "next_step": "Do it."}
    progress = {"stage": stage, "step": "failed", "updated": "2026-11-22T12:00:00Z", "error": error}
    return Script(outcome="failure", do=writes(AREA[stage], {"progress.json": progress}))
