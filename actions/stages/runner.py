"""Runs one stage: skips it where nothing has changed, reports its progress, leaves its record."""

from __future__ import annotations

import importlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actions.context import Context
from actions.contracts.request import WorkOrder
from actions.contracts.stage import Stage
from actions.errors import InvalidInput, NotAllowed, Unavailable
from actions.operation import Result
from actions.runtime.provenance import code_sha256, environment
from actions.stages import inputs as stage_inputs
from actions.stages.heartbeat import beating
from actions.stages.judge import judged
from actions.stages.records import (
    PROGRESS_FILE,
    ProgressFile,
    StageRecord,
    digest,
    error_body,
    folder_of,
    is_whole,
    records,
    write_record,
)
from actions.stages.results import Evaluated, Judged, Prepared, PublishedStage, Trained
from actions.storage.folder import Storage
from actions.text.markdown import code, inline, table

RESULTS: dict[Stage, Any] = {
    "prepare": Prepared,
    "train": Trained,
    "evaluate": Evaluated,
    "judge": Judged,
    "publish": PublishedStage,
}


class StageOutcome(Result):
    """What a stage did, as its job reports it."""

    stage: Stage
    skipped: bool
    record: StageRecord

    def summary_markdown(self) -> str:
        """Return what stands in the job's summary."""
        record = self.record
        done = (
            "skipped: its inputs and code are unchanged"
            if self.skipped
            else f"{record.work_seconds:.1f} s of work after {record.import_seconds:.1f} s of imports"
        )
        facts = [*RESULTS[self.stage].model_validate(record.result).facts(), ("time", inline(done))]
        title = f"### {self.stage}: {code(record.run)}, attempt {record.attempt}"
        return f"{title}\n\n{table(['', ''], [(inline(name), value) for name, value in facts])}\n"


class RunOutcome(Result):
    """What several stages did, one after another in one process."""

    stages: list[StageOutcome]

    def summary_markdown(self) -> str:
        """Return what stands in a job's summary."""
        return "\n".join(outcome.summary_markdown() for outcome in self.stages)


def prepare(order: WorkOrder, context: Context) -> Prepared:
    """Load and check the data, split it, fit the preprocessor on the training part; write all that."""
    from actions.stages import prepare as preparation

    return preparation.prepare(order, context)


def train(order: WorkOrder, context: Context) -> Trained:
    """Train on the training rows and save the model."""
    from actions.stages import train as training

    return training.train(order, context)


def evaluate(order: WorkOrder, context: Context) -> Evaluated:
    """Evaluate the model, and the champion if there is one, on the test rows."""
    from actions.stages import evaluate as evaluation

    return evaluation.evaluate(order, context)


def judge(order: WorkOrder, context: Context) -> Judged:
    """Hold the figures against the threshold and the champion."""
    evaluated = stage_inputs.evaluated(order, context)
    return Judged(verdict=judged(order.request, evaluated.metrics, evaluated.champion))


def publish(order: WorkOrder, context: Context) -> PublishedStage:
    """Push the result to ``refs/modelyard/<run>/<attempt>``; runs no user code and opens no model."""
    from actions.stages import publish as publication

    return publication.publish(order, context)


STAGES: dict[Stage, Callable[[WorkOrder, Context], Any]] = {
    "prepare": prepare,
    "train": train,
    "evaluate": evaluate,
    "judge": judge,
    "publish": publish,
}


def run_stage(name: Stage, order: WorkOrder) -> StageOutcome:
    """Run one stage of an attempt, or skip it where its inputs and code are unchanged.

    Leaves ``<stage>.json`` and, while it runs and where it fails, ``progress.json`` in the stage's folder; while it runs, a
    heartbeat too.

    Raises
    ------
    OperationError
        Where the stage cannot be done; InvalidInput where trying again cannot help. Of bad input nothing but the error in
        ``progress.json`` is left in storage.
    """
    _check_repository(order)
    storage = _storage(order)
    folder = folder_of(name, order, storage)
    progress = ProgressFile(name, folder)
    context = Context(storage=storage, report=progress, data_roots=order.data_roots)
    progress.write("starting")
    try:
        with beating(name, folder):
            outcome = _skipped_or_done(name, order, context)
    except BaseException as error:  # the stage's outermost edge: the App has to see why it ended
        if isinstance(error, InvalidInput):
            _leave_nothing(name, folder)
        progress.write("failed", error=error_body(name, error))
        raise
    progress.write("skipped" if outcome.skipped else "done")
    return outcome


def run_stages(names: Sequence[Stage], order: WorkOrder) -> RunOutcome:
    """Run several stages of an attempt in this process, as ``run_stage`` does each: libraries are imported once.

    A stage that cannot be done ends it; those before it have left their records.
    """
    return RunOutcome(stages=[run_stage(name, order) for name in names])


def _check_repository(order: WorkOrder) -> None:
    """Refuse an order that names another repository than the one whose workflow runs: its storage is not ours."""
    running = os.environ.get("GITHUB_REPOSITORY", order.repository)
    if running.lower() != order.repository.lower():
        raise NotAllowed(
            "other_repository",
            rule="A workflow works for the repository that it runs in.",
            found=f"an order for {order.repository} in {running}.",
            next_step="Start the run from an issue of that repository.",
            field="repository",
        )


def _storage(order: WorkOrder) -> Storage:
    root = Path(order.storage_root)
    if "://" in order.storage_root or not root.is_absolute() or not root.is_dir():
        raise Unavailable(
            "storage_unavailable",
            rule="The storage root is an absolute path of a folder that the App and the runner share.",
            found=f"{order.storage_root!r} is none on this runner.",
            next_step="Mount it on the runner, or correct storage_root; `modelyard doctor` checks it.",
            field="storage_root",
        )
    return Storage(root)


def _skipped_or_done(name: Stage, order: WorkOrder, context: Context) -> StageOutcome:
    inputs = stage_inputs.INPUTS[name](order, context)
    inputs_sha256 = digest(inputs)
    # publish is never skipped: what it pushed may have been deleted since.
    if name != "publish" and (known := _reusable(name, order, context, inputs_sha256)):
        return StageOutcome(stage=name, skipped=True, record=known)
    context.report("loading libraries")
    started = time.perf_counter()
    for module in stage_inputs.libraries(name, order):
        importlib.import_module(module)
    imported = time.perf_counter()
    result = STAGES[name](order, context)
    record = StageRecord(
        stage=name,
        run=order.run,
        attempt=order.attempt,
        inputs=inputs,
        inputs_sha256=inputs_sha256,
        code_sha256=code_sha256(),
        outputs=result.outputs() if hasattr(result, "outputs") else {},
        result=result.model_dump(mode="json"),
        environment=environment(),
        import_seconds=round(imported - started, 3),
        work_seconds=round(time.perf_counter() - imported, 3),
    )
    write_record(record, order, context.storage)
    return StageOutcome(stage=name, skipped=False, record=record)


def _reusable(name: Stage, order: WorkOrder, context: Context, inputs_sha256: str) -> StageRecord | None:
    """Return a record of the same work; an earlier attempt's becomes this attempt's own, which cost it nothing."""
    for record in records(name, order, context.storage):
        same = (record.inputs_sha256, record.code_sha256) == (inputs_sha256, code_sha256())
        if not same or not is_whole(record, context.storage):
            continue
        if record.attempt == order.attempt:
            return record
        made = folder_of(name, order, context.storage, record.attempt) / f"{name}.json"
        changes = {
            "attempt": order.attempt,
            "reused_from": record.reused_from or context.storage.uri(made),
            "import_seconds": 0.0,
            "work_seconds": 0.0,
        }
        own = record.model_copy(update=changes)
        write_record(own, order, context.storage)
        return own
    return None


def _leave_nothing(name: Stage, folder: Path) -> None:
    """Remove what a stage wrote before its input turned out to be wrong, unless it had been done before."""
    if name not in {"prepare", "train"} or (folder / f"{name}.json").is_file():
        return
    for path in folder.iterdir():
        if path.is_file() and path.name != PROGRESS_FILE:
            path.unlink()
        elif path.is_dir():  # of a search
            shutil.rmtree(path)
