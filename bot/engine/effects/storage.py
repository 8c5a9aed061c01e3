"""What a run's stages left in the shared storage. Runners wrote it, so it is untrusted."""

from __future__ import annotations

import functools
import hashlib
import logging
import shutil

from pydantic import ValidationError

from actions.contracts.results import HEARTBEAT_FILE, Heartbeat, Progress, Published
from actions.contracts.stage import Stage
from actions.errors import Conflict, InvalidInput, NotFound
from actions.stages.specs import SPECS
from actions.storage.folder import Storage, make_write_once
from actions.storage.untrusted import part_of_untrusted, read_untrusted
from actions.tasks.exchange import PublishedResult
from bot.engine.effects.context import RunContext
from bot.runs.run import Run

log = logging.getLogger(__name__)

MAX_REPORT_BYTES = 64 * 1024
"""Largest ``progress.json``, ``heartbeat.json`` or ``published.json`` that is read."""
MAX_PART_BYTES = 16 * 1024 * 1024
"""How much of a model file is read at a time."""


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
    """Check that the published model file is in storage, unchanged.

    Raises
    ------
    NotFound
        ``artifact_missing``.
    Conflict
        ``artifact_changed``.
    """
    model = result.model
    found = await _digest(context, model.uri)
    if found is None:
        raise NotFound(
            "artifact_missing",
            rule="The model file must be in storage when its version is registered.",
            found=f"{model.uri} is missing.",
            next_step="Find out what cleans up the storage root, then train again.",
        )
    if found != model.sha256:
        raise Conflict(
            "artifact_changed",
            rule=f"The model file must be the one that was published, with SHA-256 {model.sha256}.",
            found=f"{model.uri} with SHA-256 {found}.",
            next_step="Find out what else can write to the storage root, then train again.",
        )


async def protect_artifact(context: RunContext, result: PublishedResult) -> None:
    """Make the folder of a model that is about to be registered write-once."""
    path = context.storage.path(result.model.uri)
    try:
        await context.looks.at(result.model.uri, functools.partial(make_write_once, path))
    except OSError as error:  # the digest in the registry still shows any change
        log.warning("%s cannot be made write-once: %s", result.model.uri, error)


async def clear(context: RunContext, run: Run, *, attempt: int | None = None) -> None:
    """Remove everything that the run's attempts wrote, or only one of them."""
    for area in {spec.area for spec in SPECS.values()}:
        uri = f"{run.repository}/{area}/{run.id}" + (f"/{attempt}" if attempt else "")
        await context.looks.at(uri, functools.partial(_remove, context.storage, uri))


async def _read(context: RunContext, run: Run, stage: Stage, name: str) -> bytes | None:
    """Read a small file that a stage left; return None if it is missing, too large or not a regular file.

    Raises
    ------
    OSError
        The storage fails, or does not answer.
    """
    uri = f"{run.repository}/{SPECS[stage].area}/{run.id}/{run.attempt}/{name}"
    return await context.looks.at(uri, functools.partial(read_untrusted, context.storage.root, uri, MAX_REPORT_BYTES))


async def _digest(context: RunContext, uri: str) -> str | None:
    """Return the SHA-256 of a file, read in parts so that the time limit is one of access, not of size."""
    digest, read, start = hashlib.sha256(), MAX_PART_BYTES, 0
    while read == MAX_PART_BYTES:
        read_part = functools.partial(part_of_untrusted, context.storage.root, uri, start, MAX_PART_BYTES)
        part = await context.looks.at(uri, read_part)
        if part is None:
            return None
        digest.update(part)
        read = len(part)
        start += read
    return digest.hexdigest()


def _remove(storage: Storage, uri: str) -> None:
    folder = storage.root.resolve() / uri
    if folder.resolve() == folder:  # otherwise a job has put a link there, which may lead to another run's files
        shutil.rmtree(folder, ignore_errors=True)
