"""What a run's stages left in the shared storage. Runners wrote it, so it is untrusted."""

from __future__ import annotations

import shutil
from pathlib import Path

from anyio import to_thread
from pydantic import ValidationError

from actions.contracts.results import HEARTBEAT_FILE, Heartbeat, Progress, Published
from actions.contracts.stage import Stage
from actions.errors import InvalidInput, NotFound
from actions.stages.specs import SPECS
from actions.storage.folder import Storage
from actions.tasks.exchange import PublishedResult
from bot.engine.effects.context import RunContext
from bot.runs.run import Run

MAX_REPORT_BYTES = 64 * 1024
"""Largest ``progress.json``, ``heartbeat.json`` or ``published.json`` that is read."""


async def progress(context: RunContext, run: Run, stage: Stage) -> Progress | None:
    """Return a stage's report of its progress, if there is a valid one."""
    text = await to_thread.run_sync(_read, _folder(context.storage, run, stage) / "progress.json")
    try:
        report = Progress.model_validate_json(text or "")
    except ValidationError:
        return None
    return report if report.stage == stage else None


async def heartbeat(context: RunContext, run: Run, stage: Stage) -> Heartbeat | None:
    """Return a stage's latest heartbeat, if the run's present workflow run has written one."""
    text = await to_thread.run_sync(_read, _folder(context.storage, run, stage) / HEARTBEAT_FILE)
    try:
        beat = Heartbeat.model_validate_json(text or "")
    except ValidationError:
        return None
    # An earlier workflow run, whose runner died, leaves its last heartbeat behind.
    is_present = run.dispatch is not None and beat.workflow_run == run.dispatch.workflow_run
    return beat if is_present and beat.stage == stage else None


async def published(context: RunContext, run: Run) -> Published:
    """Return what the publish stage reported.

    Raises
    ------
    InvalidInput
        ``not_published``.
    """
    text = await to_thread.run_sync(_read, _folder(context.storage, run, "publish") / "published.json")
    try:
        return Published.model_validate_json(text or "")
    except ValidationError:
        raise InvalidInput(
            "not_published",
            rule="The publish stage must leave published.json in the storage root that the App shares with its runners.",
            found="The file is missing or cannot be read.",
            next_step="Run `modelyard doctor`: it checks whether the App and the runners see the same storage root.",
        ) from None


async def check_artifact(context: RunContext, result: PublishedResult) -> None:
    """Check that the published model file is in storage.

    Raises
    ------
    NotFound
        ``artifact_missing``.
    """
    model = result.model
    size = await to_thread.run_sync(_size, context.storage, model.uri)
    if size != model.size_bytes:
        raise NotFound(
            "artifact_missing",
            rule="The model file must be in storage when its version is registered.",
            found=f"{model.uri} is missing or has another size.",
            next_step="Find out what cleans up the storage root, then train again.",
        )


async def clear(context: RunContext, run: Run) -> None:
    """Remove everything that the run's attempts wrote."""
    for area in {spec.area for spec in SPECS.values()}:
        folder = context.storage.folder(run.repository, area, run.id, run.attempt).parent
        await to_thread.run_sync(_remove, folder)


def _folder(storage: Storage, run: Run, stage: Stage) -> Path:
    return storage.folder(run.repository, SPECS[stage].area, run.id, run.attempt)


def _read(path: Path) -> bytes | None:
    """Read a small file; return None if it is missing or too large."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_REPORT_BYTES + 1)
    except OSError:
        return None
    return content if len(content) <= MAX_REPORT_BYTES else None


def _size(storage: Storage, uri: str) -> int | None:
    path = storage.path(uri)
    return path.stat().st_size if path.is_file() else None


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
