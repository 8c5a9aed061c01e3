"""Reports a training round by round, writes its checkpoints, and ends it when the process is interrupted."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actions.context import Report
from actions.ml_training.errors import loss_not_finite
from actions.ml_training.interruption import IsInterrupted, interrupted
from actions.ml_training.training_spec import TrainingSpec
from actions.storage.folder import write_atomically

Curves = dict[str, dict[str, list[float | None]]]
Losses = Mapping[str, Mapping[str, float]]
"""One round's losses: by part (train, validation), then by name."""

CURVES_FILE = "curves.json"
"""The loss curves so far, while a training runs; afterwards they are part of ``training.json``."""

CHECKPOINT_PREFIX = "checkpoint-"
SECONDS_BETWEEN_CHECKPOINTS = 10.0
_SECONDS_BETWEEN_CURVES = 1.0
HIGHER_IS_BETTER = ("auc", "pre", "map", "ndcg")
"""Prefixes of the metrics that boosting libraries report among the losses although higher is better; these may be undefined."""


def fingerprint(spec: TrainingSpec, **further: Any) -> str:
    """Return what a checkpoint belongs to: the same training on the same rows with the same libraries."""
    made_of = {
        "task": spec.task,
        "algorithm": spec.algorithm,
        "target": spec.target,
        "hyperparameters": dict(spec.hyperparameters),
        "seed": spec.seed,
        **further,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _never() -> bool:
    return False


@dataclass
class TrainingProgress:
    """What a training loop reports to. With ``report`` alone it keeps no files and is never interrupted.

    Parameters
    ----------
    report
        Called after each round with its losses, the rows per second and how far the training is.
    folder
        Where to keep the checkpoint and the curves so far; None: nowhere.
    work
        The fingerprint of the training: only a checkpoint of the same training is used.
    is_interrupted
        Whether the training must end.
    resume
        Whether to use a checkpoint that exists.
    """

    report: Report
    folder: Path | None = None
    work: str = ""
    is_interrupted: IsInterrupted = _never
    resume: bool = True
    curves: Curves = field(default_factory=dict)
    _started: float = field(default_factory=time.perf_counter)
    _first_round: int | None = None
    _checkpointed: float = field(default_factory=time.monotonic)
    _curves_written: float = -math.inf

    def checkpoint(self) -> bytes | None:
        """Return the checkpoint of this training if it was interrupted; remove those of other trainings."""
        if self.folder is None:
            return None
        path = self._path()
        for other in self._files(self.folder):
            if other != path or not self.resume:
                other.unlink(missing_ok=True)
        return path.read_bytes() if path.is_file() else None

    def resume_from(self, done: int, curves: Curves) -> None:
        """Note that the training resumes after so many rounds."""
        self.curves = curves
        self.report(f"resuming from the checkpoint after round {done}", done)

    def after_round(  # each is a fact of the round
        self,
        step: str,
        done: int,
        total: int | None,
        losses: Losses,
        row_count: int,
        content: Callable[[], bytes] | None = None,
    ) -> None:
        """Report a round, write a checkpoint if one is due, and end the training if it was interrupted.

        Parameters
        ----------
        step
            What a round is called: ``epoch``, ``boosting round``.
        done, total
            Finished rounds, and the maximum number of rounds.
        losses
            This round's losses.
        row_count
            The number of training rows, each of which is learnt from once per round.
        content
            Makes the checkpoint; None: this training keeps none.

        Raises
        ------
        InvalidInput
            ``loss_not_finite``.
        Interrupted
            ``training_interrupted``, once the checkpoint is written.
        """
        self.add_losses(step, done, losses)
        self.report_round(step, done, total, losses, row_count)
        if done == total:
            return
        must_end = self.is_interrupted()
        if self.folder is not None and content is not None and (must_end or self._is_due()):
            write_atomically(self._path(), content())
            self._checkpointed = time.monotonic()
        if must_end:
            raise interrupted(done, total, step, kept=self.folder is not None and content is not None)

    def add_losses(self, step: str, done: int, losses: Losses) -> None:
        """Append a round's losses to the curves.

        Raises
        ------
        InvalidInput
            ``loss_not_finite``, if it is one of the training rows.
        """
        for part, values in losses.items():
            for name, value in values.items():
                is_finite = math.isfinite(value)
                self.curves.setdefault(part, {}).setdefault(name, []).append(float(value) if is_finite else None)
                if part == "train" and not is_finite and not name.startswith(HIGHER_IS_BETTER):
                    raise loss_not_finite(step, done, name, value)

    def report_round(self, step: str, done: int, total: int | None, losses: Losses, row_count: int) -> None:
        """Report a round and write the curves so far."""
        if self._first_round is None:
            self._first_round = done - 1
        rate = row_count * (done - self._first_round) / max(time.perf_counter() - self._started, 1e-9)
        metrics = {f"{part}_{name}": value for part, values in losses.items() for name, value in values.items()}
        self.report(step, done, total, {**metrics, "rows_per_second": round(rate, 1)})
        now = time.monotonic()
        if self.folder is not None and self.curves and now - self._curves_written >= _SECONDS_BETWEEN_CURVES:
            self._curves_written = now
            write_atomically(self.folder / CURVES_FILE, json.dumps(self.curves))

    def stop_if_interrupted(self, step: str, done: int, total: int) -> None:
        """End a training that keeps no checkpoint if it was interrupted.

        Raises
        ------
        Interrupted
            ``training_interrupted``.
        """
        if done < total and self.is_interrupted():
            raise interrupted(done, total, step, kept=False)

    def finished(self) -> None:
        """Remove the files that are useful only while the training runs."""
        if self.folder is None:
            return
        for path in self._files(self.folder):
            path.unlink(missing_ok=True)

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        """Return checkpoints and curves, including what a killed process left half written."""
        return [
            path
            for name in (CHECKPOINT_PREFIX, CURVES_FILE)
            for pattern in (f"{name}*", f".{name}*")
            for path in folder.glob(pattern)
        ]

    def _is_due(self) -> bool:
        return time.monotonic() - self._checkpointed >= SECONDS_BETWEEN_CHECKPOINTS

    def _path(self) -> Path:
        if self.folder is None:
            raise ValueError("this training keeps no checkpoint")
        return self.folder / f"{CHECKPOINT_PREFIX}{self.work[:32]}"
