"""A runner's process is killed in mid-training, for real: the App sends the stage again, and it goes on from its checkpoint."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.operating import Desk
from tests.support.real_loop import RealLoop

EPOCHS = 1_500
PATIENCE = 900
GIVEN = {"epochs": EPOCHS, "patience": None, "batch_size": 32}
"""Long enough for a checkpoint, which is written every ten seconds."""


def training(run: str) -> list[int]:
    """Return the processes that are this run's stage train."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            is_stage = words[-3:-1] == [b"actions.cli", b"train"]
            if is_stage and run.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the runner's process in /proc")
def test_a_training_that_is_killed_goes_on_and_ends_as_the_uninterrupted_one(
    real: RealLoop, model: str, tmp_path: Path
) -> None:
    written = "\n".join(f"{name}: {'null' if value is None else value}" for name, value in GIVEN.items())
    issue = real.open(model_name=model, algorithm="neural_network", data="sklearn://digits", hyperparameters=written)
    run = real.until(lambda: real.run(issue), "the run has begun", PATIENCE)
    folder = real.storage / "models" / run / "1"
    real.until(lambda: list(folder.glob("checkpoint-*")), "there is a checkpoint", PATIENCE)
    (process,) = training(run)
    os.kill(process, signal.SIGKILL)

    assert real.until_closed(issue, "mlops:passed", PATIENCE) == run
    trainings = [job for job in real.jobs(run) if job["name"].endswith("train")]
    assert [job["conclusion"] for job in trainings] == ["failure", "success"]
    assert "going on from a checkpoint after round" in real.log(trainings[1])
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
        preprocessor=f"{datasets}/preprocessor.skops", target="target", destination="whole", algorithm="neural_network",
        hyperparameters=GIVEN, seed=42,
    )  # fmt: skip
    whole = json.loads((desk.root / "whole/training.json").read_text(encoding="utf-8"))
    assert len(record["curves"]["train"]["log_loss"]) == EPOCHS
    for name, value in whole["metrics"].items():
        assert record["metrics"][name] == pytest.approx(value, abs=1e-3), name
    assert real.history(run)["result"]["metrics"]["accuracy"] > 0.95
