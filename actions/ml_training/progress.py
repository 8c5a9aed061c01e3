"""Follows one training from round to round: tells how it stands, keeps its checkpoint, hears when it is to end."""

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
from actions.contracts.request import Algorithm
from actions.ml_training.errors import loss_not_finite
from actions.ml_training.interruption import Told, interrupted
from actions.ml_training.recipe import Recipe
from actions.storage.folder import write_atomically

Curves = dict[str, dict[str, list[float | None]]]
Losses = Mapping[str, Mapping[str, float]]
"""A round's figures: by part (train, validation), then by name."""

CURVES_FILE = "curves.json"
"""The loss curves so far, while a training runs; afterwards they stand in ``training.json``."""

IN_ROUNDS: tuple[Algorithm, ...] = ("neural_network", "xgboost")
"""The algorithms that tell their losses after each round, and keep checkpoints."""

CHECKPOINT_PREFIX = "checkpoint-"
SECONDS_BETWEEN_CHECKPOINTS = 10.0
_SECONDS_BETWEEN_CURVES = 1.0
NO_LOSSES = ("auc", "pre", "map", "ndcg")
"""How XGBoost's names begin of figures that are the better the higher, and may be undefined for the rows."""


def fingerprint(recipe: Recipe, **further: Any) -> str:
    """Return what a checkpoint belongs to: the same recipe on the same rows with the same libraries."""
    made_of = {
        "task": recipe.task,
        "algorithm": recipe.algorithm,
        "target": recipe.target,
        "hyperparameters": dict(recipe.hyperparameters),
        "seed": recipe.seed,
        **further,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _never() -> bool:
    return False


@dataclass
class Watch:
    """What a training loop is handed; without arguments it tells nobody and keeps nothing.

    Parameters
    ----------
    report
        Told after each round: its losses, the rows that were learnt from in a second, and how far it is.
    folder
        Where the checkpoint and the curves so far are kept; None: nowhere.
    work
        The fingerprint of the training: only a checkpoint of the same one is taken up.
    told
        Tells whether the training is to end.
    resume
        Whether a checkpoint that is there is taken up.
    """

    report: Report
    folder: Path | None = None
    work: str = ""
    told: Told = _never
    resume: bool = True
    curves: Curves = field(default_factory=dict)
    _started: float = field(default_factory=time.perf_counter)
    _first: int | None = None
    _checkpointed: float = field(default_factory=time.monotonic)
    _curves_written: float = -math.inf

    def checkpoint(self) -> bytes | None:
        """Return the checkpoint of this very training, if it was interrupted; those of others are removed."""
        if self.folder is None:
            return None
        path = self._path()
        for other in self._kept(self.folder):
            if other != path or not self.resume:
                other.unlink(missing_ok=True)
        return path.read_bytes() if path.is_file() else None

    def took_up(self, done: int, curves: Curves) -> None:
        """Note that the training goes on after so many rounds."""
        self.curves = curves
        self.report(f"going on from a checkpoint after round {done}", done)

    def after_round(  # each is a fact of the round
        self, step: str, done: int, total: int | None, losses: Losses, rows: int, content: Callable[[], bytes]
    ) -> None:
        """Tell of a round; write a checkpoint if it is time; end the training if that was asked for.

        Parameters
        ----------
        step
            What a round is: ``epoch``, ``boosting round``.
        done, total
            Rounds that are done, and that there will be at most.
        losses
            This round's.
        rows
            Training rows, each of which the round learnt from once.
        content
            Makes the checkpoint.

        Raises
        ------
        InvalidInput
            ``loss_not_finite``.
        Interrupted
            ``training_interrupted``, once the checkpoint is written.
        """
        for part, figures in losses.items():
            for name, value in figures.items():
                finite = math.isfinite(value)
                self.curves.setdefault(part, {}).setdefault(name, []).append(float(value) if finite else None)
                if part == "train" and not finite and not name.startswith(NO_LOSSES):
                    raise loss_not_finite(step, done, name, value)
        self.tell(step, done, total, losses, rows)
        if done == total:
            return
        told = self.told()
        if self.folder is not None and (told or self._due()):
            write_atomically(self._path(), content())
            self._checkpointed = time.monotonic()
        if told:
            raise interrupted(done, total, step, kept=self.folder is not None)

    def tell(self, step: str, done: int, total: int | None, losses: Losses, rows: int) -> None:
        """Report a round and write the curves so far."""
        if self._first is None:
            self._first = done - 1
        rate = rows * (done - self._first) / max(time.perf_counter() - self._started, 1e-9)
        figures = {f"{part}_{name}": value for part, found in losses.items() for name, value in found.items()}
        self.report(step, done, total, {**figures, "rows_per_second": round(rate, 1)})
        now = time.monotonic()
        if self.folder is not None and self.curves and now - self._curves_written >= _SECONDS_BETWEEN_CURVES:
            self._curves_written = now
            write_atomically(self.folder / CURVES_FILE, json.dumps(self.curves))

    def finished(self) -> None:
        """Remove what is of use only while the training runs."""
        if self.folder is None:
            return
        for path in self._kept(self.folder):
            path.unlink(missing_ok=True)

    @staticmethod
    def _kept(folder: Path) -> list[Path]:
        """Return checkpoints and curves, and what a killed process was just writing of them."""
        return [path for name in (CHECKPOINT_PREFIX, CURVES_FILE) for path in folder.glob(f"{name}*")] + [
            path for name in (CHECKPOINT_PREFIX, CURVES_FILE) for path in folder.glob(f".{name}*")
        ]

    def _due(self) -> bool:
        return time.monotonic() - self._checkpointed >= SECONDS_BETWEEN_CHECKPOINTS

    def _path(self) -> Path:
        if self.folder is None:
            raise ValueError("this training keeps no checkpoint")
        return self.folder / f"{CHECKPOINT_PREFIX}{self.work[:32]}"
