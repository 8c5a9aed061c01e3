"""What a stage leaves behind: ``<stage>.json`` with its result and what determines whether it can be skipped next time.

While it runs, also ``progress.json``.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from actions.contracts.request import Sha256
from actions.contracts.results import EnvironmentFacts, Progress
from actions.contracts.run_id import RunId
from actions.contracts.stage import Stage
from actions.errors import OperationError, Problem
from actions.operation import Result
from actions.storage.folder import Storage, sha256_of, write_atomically

PROGRESS_FILE = "progress.json"
_MIN_SECONDS_BETWEEN_WRITES = 1.0


class StageRecord(Result):
    """``<stage>.json``: one stage's result, and what it came from."""

    stage: Stage
    run: RunId
    attempt: int
    inputs: dict[str, Any]
    inputs_sha256: Sha256
    code_sha256: Sha256
    outputs: dict[str, Sha256] = Field(description="digest by URI")
    result: dict[str, Any]
    environment: EnvironmentFacts
    import_seconds: float
    work_seconds: float
    reused_from: str | None = Field(default=None, description="the record of the attempt that did this work")


def digest(value: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_record(folder: Path, stage: Stage) -> StageRecord | None:
    """Return the record in a stage's folder, or None if there is none that can be read."""
    try:
        return StageRecord.model_validate_json((folder / f"{stage}.json").read_bytes())
    except (OSError, ValidationError):
        return None


def write_record(folder: Path, record: StageRecord) -> None:
    """Write ``<stage>.json``."""
    write_atomically(folder / f"{record.stage}.json", record.model_dump_json(indent=2) + "\n")


def is_whole(record: StageRecord, storage: Storage) -> bool:
    """Return whether all files of a record are there, unchanged."""
    try:
        return all(sha256_of(storage.path(uri)) == sha256 for uri, sha256 in record.outputs.items())
    except (OSError, ValueError):
        return False


class ProgressFile:
    """Writes a stage's ``progress.json``: immediately at the start, the end and an error, else about once a second.

    Each new step is also a line on stderr, so that a job's log shows the last step before a crash.
    """

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self._path = folder / PROGRESS_FILE
        self._written = -_MIN_SECONDS_BETWEEN_WRITES
        self._metrics: dict[str, float] = {}
        self._step = ""
        self._first_report: tuple[float, int] | None = None

    def __call__(
        self, step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
    ) -> None:
        if metrics:
            finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
            self._metrics = dict(list(finite.items())[:50])
        if step != self._step:
            self._step, self._first_report = step, None
            sys.stderr.write(f"{self._stage}: {step[:200]}\n")
            sys.stderr.flush()
        eta = self._eta(done, total)
        if time.monotonic() - self._written >= _MIN_SECONDS_BETWEEN_WRITES:
            self.write(step, done, total, eta=eta)

    def _eta(self, done: int | None, total: int | None) -> float | None:
        """Return the seconds that the rest of a step takes at its average speed so far."""
        if done is None or total is None:
            return None
        if self._first_report is None or done < self._first_report[1]:
            self._first_report = (time.monotonic(), done)
        started, first = self._first_report
        if done == first:
            return None
        return round((time.monotonic() - started) / (done - first) * max(total - done, 0), 1)

    def write(
        self,
        step: str,
        done: int | None = None,
        total: int | None = None,
        error: Problem | None = None,
        eta: float | None = None,
    ) -> None:
        """Replace the file now."""
        self._written = time.monotonic()
        progress = Progress(
            stage=self._stage,
            step=step[:200],
            done=done,
            total=total,
            eta_seconds=eta,
            metrics=self._metrics,
            updated=datetime.now(UTC).isoformat(timespec="milliseconds"),
            error=error,
        )
        write_atomically(self._path, progress.model_dump_json() + "\n")


def error_body(stage: Stage, error: BaseException) -> Problem:
    """Return what made a stage fail, for the App to show."""
    if isinstance(error, OperationError):
        return error.problem
    found = f"{type(error).__name__}: {error}"
    return Problem(
        kind="crash",
        reason="stage_crashed",
        rule=f"The stage {stage} must end without an unexpected error.",
        found=found[:2_000],
        next_step="Read the job's log; retry if the cause is not in the request.",
    )
