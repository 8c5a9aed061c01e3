"""Runs stages: skips those where nothing has changed, reports progress, leaves their records."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from actions.context import Context
from actions.contracts.stage import Stage
from actions.errors import InvalidInput, NotAllowed, Unavailable
from actions.operation import Result
from actions.optional import import_library
from actions.runtime.provenance import code_sha256, environment
from actions.stages.backend import Backend
from actions.stages.heartbeat import beating
from actions.stages.records import (
    PROGRESS_FILE,
    ProgressFile,
    StageRecord,
    digest,
    error_body,
    is_whole,
    write_record,
)
from actions.stages.spec import Attempt, StageSpec
from actions.stages.specs import SPECS
from actions.storage.folder import Storage
from actions.tasks.exchange import WorkOrder
from actions.tasks.results import Facts
from actions.text.markdown import code, inline, table


class StageOutcome(Result):
    """What a stage did, as its job reports it."""

    stage: Stage
    skipped: bool
    record: StageRecord
    facts: Facts = Field(exclude=True, description="what the job's summary shows of the result")

    def summary_markdown(self) -> str:
        """Return what stands in the job's summary."""
        record = self.record
        done = (
            "skipped: its inputs and code are unchanged"
            if self.skipped
            else f"{record.work_seconds:.1f} s of work after {record.import_seconds:.1f} s of imports"
        )
        title = f"### {self.stage}: {code(record.run)}, attempt {record.attempt}"
        rows = [(inline(name), value) for name, value in (*self.facts, ("time", inline(done)))]
        return f"{title}\n\n{table(['', ''], rows)}\n"


class RunOutcome(Result):
    """What several stages did, one after another in one process."""

    stages: list[StageOutcome]

    def summary_markdown(self) -> str:
        """Return what stands in a job's summary."""
        return "\n".join(outcome.summary_markdown() for outcome in self.stages)


def run_stage(name: Stage, order: WorkOrder, backend: Backend) -> StageOutcome:
    """Run one stage of an attempt, or skip it if its inputs and code are unchanged.

    Leaves ``<stage>.json`` in the stage's folder; while it runs, ``progress.json``, which stays if it fails, and a heartbeat.

    Parameters
    ----------
    name
        The stage.
    order
        What the App ordered.
    backend
        Where the model is trained.

    Raises
    ------
    OperationError
        Where the stage cannot be done; InvalidInput where trying again cannot help: then the error in ``progress.json`` is
        all that is left in storage.
    """
    _check_repository(order)
    spec, storage = SPECS[name], _storage(order)
    folder = spec.folder(order, storage)
    progress = ProgressFile(name, folder)
    attempt = Attempt(order, Context(storage=storage, report=progress, data_roots=order.data_roots), backend)
    progress.write("starting")
    try:
        with beating(name, folder):
            record, skipped = _skipped_or_done(spec, attempt, folder)
            facts = spec.result(order).model_validate(record.result).facts()
    except BaseException as error:  # the stage's outermost edge: the App has to see why it ended
        if isinstance(error, InvalidInput):
            _remove_files(spec, folder)
        progress.write("failed", error=error_body(name, error))
        raise
    progress.write("skipped" if skipped else "done")
    return StageOutcome(stage=name, skipped=skipped, record=record, facts=facts)


def run_stages(names: Sequence[Stage], order: WorkOrder, backend: Backend) -> RunOutcome:
    """Run several stages of an attempt in this process, as ``run_stage`` does each: libraries are imported once.

    The first stage that fails ends it; those before it have left their records.
    """
    return RunOutcome(stages=[run_stage(name, order, backend) for name in names])


def _check_repository(order: WorkOrder) -> None:
    """Refuse an order that names another repository than the one whose workflow runs: its storage is not ours."""
    running = os.environ.get("GITHUB_REPOSITORY", order.repository)
    if running.lower() != order.repository.lower():
        raise NotAllowed(
            "other_repository",
            rule="A workflow must work for the repository that it runs in.",
            found=f"an order for {order.repository} in {running}.",
            next_step="Start the run from an issue of that repository.",
            field="repository",
        )


def _storage(order: WorkOrder) -> Storage:
    root = Path(order.storage_root)
    if "://" in order.storage_root or not root.is_absolute() or not root.is_dir():
        raise Unavailable(
            "storage_unavailable",
            rule="The storage root must be the absolute path of a folder that the App and the runner share.",
            found=f"{order.storage_root!r} is no such folder on this runner.",
            next_step="Mount it on the runner or correct storage_root; `modelyard doctor` checks it.",
            field="storage_root",
        )
    return Storage(root)


def _skipped_or_done(spec: StageSpec[Any], attempt: Attempt, folder: Path) -> tuple[StageRecord, bool]:
    inputs = spec.inputs(attempt)
    inputs_sha256 = digest(inputs)
    if spec.is_skippable and (known := _reusable(spec, attempt, inputs_sha256)):
        return known, True
    attempt.context.report("loading libraries")
    started = time.perf_counter()
    for module in spec.libraries(attempt.order):
        import_library(module)
    imported = time.perf_counter()
    result = spec.run(attempt)
    record = StageRecord(
        stage=spec.name,
        run=attempt.order.run,
        attempt=attempt.order.attempt,
        inputs=inputs,
        inputs_sha256=inputs_sha256,
        code_sha256=code_sha256(),
        outputs=result.outputs(),
        result=result.model_dump(mode="json"),
        environment=environment(),
        import_seconds=round(imported - started, 3),
        work_seconds=round(time.perf_counter() - imported, 3),
    )
    write_record(folder, record)
    return record, False


def _reusable(spec: StageSpec[Any], attempt: Attempt, inputs_sha256: str) -> StageRecord | None:
    """Return a record of the same work. An earlier attempt's is copied to this attempt, where it took no time."""
    order, storage = attempt.order, attempt.context.storage
    for record in spec.records(order, storage):
        same = (record.inputs_sha256, record.code_sha256) == (inputs_sha256, code_sha256())
        if not same or not is_whole(record, storage):
            continue
        if record.attempt == order.attempt:
            return record
        source = spec.folder(order, storage, record.attempt) / f"{spec.name}.json"
        changes = {
            "attempt": order.attempt,
            "reused_from": record.reused_from or storage.uri(source),
            "import_seconds": 0.0,
            "work_seconds": 0.0,
        }
        copy = record.model_copy(update=changes)
        write_record(spec.folder(order, storage), copy)
        return copy
    return None


def _remove_files(spec: StageSpec[Any], folder: Path) -> None:
    """Remove what a stage wrote before its input turned out to be invalid, unless it had completed before."""
    if not spec.removes_files or (folder / f"{spec.name}.json").is_file():
        return
    for path in folder.iterdir():
        if path.is_file() and path.name != PROGRESS_FILE:
            path.unlink()
        elif path.is_dir():  # of a search
            shutil.rmtree(path)
