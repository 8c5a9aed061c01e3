"""What a run's stages left in the shared storage; whatever runners wrote there is untrusted."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import ValidationError

from actions.contracts.results import FOLDER_OF, HEARTBEAT_FILE, Heartbeat, ModelFacts, Progress, Published
from actions.contracts.stage import Stage
from actions.errors import InvalidInput, NotFound
from actions.storage.folder import Storage
from bot.runs.run import Run

MAX_REPORT_BYTES = 64 * 1024
"""Bytes of ``progress.json`` and ``published.json`` at most."""


def progress_of(storage: Storage, run: Run, stage: Stage) -> Progress | None:
    """Return what a stage says of itself, if that can be read."""
    text = _read(_folder(storage, run, stage) / "progress.json")
    try:
        progress = Progress.model_validate_json(text or "")
    except ValidationError:
        return None
    return progress if progress.stage == stage else None


def heartbeat_of(storage: Storage, run: Run, stage: Stage) -> Heartbeat | None:
    """Return a stage's last sign of life; None where the run's present workflow run has left none."""
    text = _read(_folder(storage, run, stage) / HEARTBEAT_FILE)
    try:
        heartbeat = Heartbeat.model_validate_json(text or "")
    except ValidationError:
        return None
    # An earlier workflow run, whose runner died, leaves its last one behind.
    known = run.dispatch is not None and heartbeat.workflow_run == run.dispatch.workflow_run
    return heartbeat if known and heartbeat.stage == stage else None


def published_by(storage: Storage, run: Run) -> Published:
    """Return what the publish stage reported.

    Raises
    ------
    InvalidInput
        With reason ``not_published``.
    """
    text = _read(_folder(storage, run, "publish") / "published.json")
    try:
        return Published.model_validate_json(text or "")
    except ValidationError:
        raise InvalidInput(
            "not_published",
            rule="publish leaves published.json in the storage root that the App shares with its runners.",
            found="It is not there, or cannot be read.",
            next_step="`modelyard doctor` shows whether both see the same storage root.",
        ) from None


def check_artifact(storage: Storage, model: ModelFacts) -> None:
    """Raise NotFound where the model file is not there as it was published."""
    path = storage.path(model.uri)
    if not path.is_file() or path.stat().st_size != model.size_bytes:
        raise NotFound(
            "artifact_missing",
            rule="The model file is in storage when its version is registered.",
            found=f"{model.uri} is not there, or has another size.",
            next_step="Look for who cleans the storage root, then train again.",
        )


def clear(storage: Storage, run: Run) -> None:
    """Remove everything that the run wrote, in all attempts."""
    for area in sorted(set(FOLDER_OF.values())):
        shutil.rmtree(storage.folder(run.repository, area, run.id, run.attempt).parent, ignore_errors=True)


def _folder(storage: Storage, run: Run, stage: Stage) -> Path:
    return storage.folder(run.repository, FOLDER_OF[stage], run.id, run.attempt)


def _read(path: Path) -> bytes | None:
    """Read a small file; None where there is none, or one that is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_REPORT_BYTES + 1)
    except OSError:
        return None
    return content if len(content) <= MAX_REPORT_BYTES else None
