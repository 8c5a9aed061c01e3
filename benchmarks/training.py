"""Each algorithm trained by the stage train, against the same library in a plain script: time and predictions.

Both read the same Parquet files, bring them into form by a preprocessor that was fitted before, fit with the same
hyperparameters and seed on all cores, watch the losses of each round where there are rounds, score training and validation rows,
and save. Modelyard also keeps digests, checkpoints, progress, signature, card and record. Promised: at most 1.05 times the
script's time beyond the start of the process, and the same predictions.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actions.stages.specs import SPECS
from actions.storage.folder import Storage
from actions.tasks.exchange import WorkOrder
from benchmarks import plain_training
from benchmarks.orders import command_of, environment_of, order_of, starting
from benchmarks.processes import Taken, plain_environment, taken
from benchmarks.report import Cell, Outcome, Table, median
from benchmarks.tables import write_numbers

ROWS: dict[str, int] = {
    "random_forest": 40_000,
    "xgboost": 300_000,
    "logistic_regression": 2_000_000,
    "linear_regression": 2_000_000,
    "neural_network": 60_000,
}
FEATURES = 20
TIMES = 5
PLAIN = Path(plain_training.__file__)
PROMISED = 1.05


def run() -> Outcome:
    """Train with each algorithm in turns, each time in a process of its own."""
    return measured(ROWS, TIMES)


def measured(rows: Mapping[str, int], times: int) -> Outcome:
    """Train on so many rows by algorithm, so many times each way."""
    with tempfile.TemporaryDirectory(prefix="modelyard-training-") as folder:
        found = [_compared(Path(folder) / algorithm, algorithm, count, times) for algorithm, count in rows.items()]
    return Outcome(
        [Table("training beyond the start of the process", COLUMNS, found)],
        [
            f"Medians of {times}, in turns; ratio: Modelyard to the script, promised {PROMISED}. 'start' is a process that imports the",
            "same and ends; it is subtracted, turn by turn. predictions: probabilities (numbers for regression) of the test rows.",
        ],
    )


COLUMNS = (
    "algorithm", "rows", "Modelyard s", "script s", "ratio", "Modelyard CPU s", "script CPU s", "CPU ratio", "starts s", "predictions",
)  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """What the four processes of one turn took."""

    own: Taken
    own_start: Taken
    script: Taken
    script_start: Taken


def row_of(algorithm: str, rows: int, turns: list[Turn], predictions: str) -> tuple[Cell, ...]:
    """Return what one algorithm's turns come to."""
    beyond = [(turn.own - turn.own_start, turn.script - turn.script_start) for turn in turns]
    starts = (median([turn.own_start.wall for turn in turns]), median([turn.script_start.wall for turn in turns]))
    return (
        algorithm,
        rows,
        median([own.wall for own, _ in beyond]),
        median([script.wall for _, script in beyond]),
        median([own.wall / script.wall for own, script in beyond]),
        median([own.processor for own, _ in beyond]),
        median([script.processor for _, script in beyond]),
        median([own.processor / script.processor for own, script in beyond]),
        f"{starts[0]:.1f}, {starts[1]:.1f}",
        predictions,
    )


def _compared(folder: Path, algorithm: str, rows: int, times: int) -> tuple[Cell, ...]:
    task = "regression" if algorithm == "linear_regression" else "classification"
    order = order_of(
        folder / "storage",
        data="m.parquet",
        target=plain_training.TARGET,
        task=task,
        metric="r2" if task == "regression" else "accuracy",
        algorithm=algorithm,
        hyperparameters=plain_training.HYPERPARAMETERS[algorithm],
    )
    storage = Storage(folder / "storage")
    write_numbers(folder / "storage" / order.repository / "datasets" / "m.parquet", rows, FEATURES, task)
    taken(command_of("prepare"), environment_of(order))
    data, plain = SPECS["prepare"].folder(order, storage), folder / "plain"
    plain_training.save_preprocessor(data, plain)
    script = [sys.executable, str(PLAIN), algorithm, str(data), str(plain)]
    commands = {
        "own": (command_of("train"), environment_of(order)),
        "script": (script, plain_environment()),
        "own_start": (starting("train"), environment_of(order)),
        "script_start": ([*script, "start"], plain_environment()),
    }
    turns = []
    for turn in range(times):
        shutil.rmtree(folder / "storage" / order.repository / SPECS["train"].area, ignore_errors=True)
        # By turns one goes first: who comes later finds files and memory warm.
        names = list(commands) if turn % 2 else list(reversed(commands))
        turns.append(Turn(**{name: taken(*commands[name]) for name in names}))
    return row_of(algorithm, rows, turns, _told(order, storage, plain))


def _told(order: WorkOrder, storage: Storage, plain: Path) -> str:
    """Say whether both models predict the same of the test rows."""
    import pandas as pd

    from actions.models.saved_model import MODEL_FILE, open_model

    frame = pd.read_parquet(SPECS["prepare"].folder(order, storage) / "test.parquet").drop(
        columns=plain_training.TARGET
    )
    pipeline = open_model(SPECS["train"].folder(order, storage) / MODEL_FILE).pipeline
    own = pipeline.predict_proba(frame) if hasattr(pipeline, "predict_proba") else pipeline.predict(frame)
    return difference(own, plain_training.predictions(order.request.algorithm, plain, frame))


def difference(own: Any, script: Any) -> str:
    """Say how far apart two sets of predictions are."""
    import numpy as np

    one, other = (np.asarray(some, dtype=float) for some in (own, script))
    if one.shape != other.shape:
        return f"OTHER SHAPES: {one.shape}, {other.shape}"
    farthest = float(np.abs(one - other).max())
    return "equal" if farthest == 0 else f"at most {farthest:.1g} apart"
