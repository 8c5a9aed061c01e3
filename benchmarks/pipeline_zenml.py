"""A run's four stages as a pipeline of ZenML's; run by the Python that ZenML is installed for.

What the first step is given is the path of the commands, so another folder is other work, and the same one is cached.
"""

# mypy: ignore-errors
# ZenML is not installed where this is checked.
import json
import subprocess
import sys
from pathlib import Path

from zenml import pipeline, step

# ZenML reads annotations as they are written: no `from __future__ import annotations` here.


def call(commands: str, stage: str) -> str:
    """Run a stage's command and hand the path of the commands on."""
    known = json.loads(Path(commands).read_text(encoding="utf-8"))
    subprocess.run(known[stage], check=True, stdout=subprocess.DEVNULL)
    return commands


@step
def prepare(commands: str) -> str:
    """Prepare."""
    return call(commands, "prepare")


@step
def train(commands: str) -> str:
    """Train."""
    return call(commands, "train")


@step
def evaluate(commands: str) -> str:
    """Evaluate."""
    return call(commands, "evaluate")


@step
def judge(commands: str) -> str:
    """Judge."""
    return call(commands, "judge")


@pipeline
def stages(commands: str) -> None:
    """Run one after another."""
    judge(evaluate(train(prepare(commands))))


if __name__ == "__main__":
    stages(sys.argv[1])
