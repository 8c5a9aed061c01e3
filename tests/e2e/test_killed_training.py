"""A runner's process is killed in mid-training, for real: the App sends the stage again, and it goes on from its checkpoint."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.operating import Desk
from tests.support.real_loop import RealLoop

ROUNDS = 6_000
PATIENCE = 600
GIVEN: dict[str, Any] = {"n_estimators": ROUNDS, "learning_rate": 0.02}
"""Half a minute of work for one fast core: a checkpoint is written every ten seconds."""


def table(rows: int = 34_000) -> str:
    """Return rows so many that a round takes a while, and so few that XGBoost stays on one core."""
    draw = np.random.default_rng(3)
    values = draw.normal(size=(rows, 20)).round(4)
    chance = values[:, 0] * values[:, 1] + values[:, 2] + draw.normal(size=rows)
    frame = pd.DataFrame(values, columns=[f"x{number}" for number in range(20)])
    return frame.assign(y=np.where(chance > 0, "yes", "no")).to_csv(index=False)


def training(real: RealLoop, run: str) -> list[int]:
    """Return the processes that are this run's stage train: those of others on this machine have another storage root."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            is_stage = words[-3:-1] == [b"runners.job", b"train"]
            ours = [run.encode(), str(real.workspace.folder / "storage").encode()]
            if is_stage and all(word in (entry / "environ").read_bytes() for word in ours):
                found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the runner's process in /proc")
def test_a_killed_training_resumes_and_ends_like_an_uninterrupted_one(
    real: RealLoop, model: str, tmp_path: Path
) -> None:
    issue = real.open(
        model_name=model,
        data=real.data("killed/rows.csv", table()),
        target="y",
        threshold="0.7",
        hyperparameters="\n".join(f"{name}: {value}" for name, value in GIVEN.items()),
    )
    run = real.until(lambda: real.run(issue), "the run has begun", PATIENCE)
    folder = real.storage / "models" / run / "1"
    real.until(lambda: list(folder.glob("checkpoint-*")), "there is a checkpoint", PATIENCE)
    (process,) = training(real, run)
    os.kill(process, signal.SIGKILL)

    assert real.until_closed(issue, "mlops:passed", PATIENCE) == run
    trainings = [job for job in real.jobs(run) if job["name"].endswith("train")]
    assert [job["conclusion"] for job in trainings] == ["failure", "success"]
    assert "resuming from the checkpoint after round" in real.log(trainings[1])
    assert real.history(run)["attempt"] == 1, "a stage that is sent again is no new attempt"
    assert {path.name for path in folder.iterdir()} >= {"model.skops", "training.json"}
    assert not list(folder.glob("checkpoint-*"))

    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    desk = Desk(tmp_path)
    parts = real.storage / "processed" / run / "1"
    for part in ("train", "validation"):
        desk.data(f"{part}.parquet", (parts / f"{part}.parquet").read_bytes())
    desk.data("preprocessor.skops", (parts / "preprocessor.skops").read_bytes())
    datasets = "owner/demo/datasets"
    desk.call(
        "train_supervised_classifier", data=f"{datasets}/train.parquet", validation=f"{datasets}/validation.parquet",
        preprocessor=f"{datasets}/preprocessor.skops", target="y", destination="whole", algorithm="xgboost",
        hyperparameters=GIVEN, seed=42,
    )  # fmt: skip
    whole = json.loads((desk.root / "whole/training.json").read_text(encoding="utf-8"))
    assert len(record["curves"]["train"]["logloss"]) == ROUNDS
    assert record["metrics"] == pytest.approx(whole["metrics"], rel=1e-4)
    assert real.history(run)["result"]["metrics"]["accuracy"] > 0.7
