"""What a run's stages left in the shared storage. Runners wrote it, so it is untrusted."""

from __future__ import annotations

import functools
import os
import shutil

from pydantic import ValidationError

from actions.contracts.results import HEARTBEAT_FILE, Heartbeat, Progress, Published
from actions.contracts.stage import Stage
from actions.errors import InvalidInput, NotFound
from actions.stages.specs import SPECS
from actions.storage.folder import Storage
from actions.storage.untrusted import open_untrusted, read_untrusted
from actions.tasks.exchange import PublishedResult
from bot.engine.effects.context import RunContext
from bot.runs.run import Run

MAX_REPORT_BYTES = 64 * 1024
"""Largest ``progress.json``, ``heartbeat.json`` or ``published.json`` that is read."""


async def progress(context: RunContext, run: Run, stage: Stage) -> Progress | None:
    """Return a stage's report of its progress, if there is a valid one."""
    text = await _read(context, run, stage, "progress.json")
    try:
        report = Progress.model_validate_json(text or "")
    except ValidationError:
        return None
    return report if report.stage == stage else None


async def heartbeat(context: RunContext, run: Run, stage: Stage) -> Heartbeat | None:
    """Return a stage's latest heartbeat, if the run's present workflow run has written one."""
    text = await _read(context, run, stage, HEARTBEAT_FILE)
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
    text = await _read(context, run, "publish", "published.json")
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
    size = await context.looks.at(model.uri, functools.partial(_size, context.storage, model.uri))
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
        uri = f"{run.repository}/{area}/{run.id}"
        await context.looks.at(uri, functools.partial(_remove, context.storage, uri))


async def _read(context: RunContext, run: Run, stage: Stage, name: str) -> bytes | None:
    """Read a small file that a stage left; return None if it is missing, too large or not a regular file.

    Raises
    ------
    StuckLookError
        The storage does not answer.
    """
    uri = f"{run.repository}/{SPECS[stage].area}/{run.id}/{run.attempt}/{name}"
    return await context.looks.at(uri, functools.partial(read_untrusted, context.storage.root, uri, MAX_REPORT_BYTES))


def _size(storage: Storage, uri: str) -> int | None:
    try:
        with open_untrusted(storage.root, uri) as file:
            return os.fstat(file.fileno()).st_size
    except OSError:
        return None


def _remove(storage: Storage, uri: str) -> None:
    folder = storage.root.resolve() / uri
    if folder.resolve() == folder:  # otherwise a job has put a link there, which may lead to another run's files
        shutil.rmtree(folder, ignore_errors=True)
