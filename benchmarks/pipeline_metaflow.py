"""A run's four stages as a flow of Metaflow's; run by the Python that Metaflow is installed for."""

# mypy: ignore-errors
# Metaflow is not installed where this is checked.
from __future__ import annotations

import json
import subprocess
from pathlib import Path

from metaflow import FlowSpec, Parameter, step


class Stages(FlowSpec):
    """Calls a command in each step."""

    commands = Parameter("commands", help="a JSON file: each stage's command")

    @step
    def start(self) -> None:
        """Prepare."""
        self._call("prepare")
        self.next(self.train)

    @step
    def train(self) -> None:
        """Train."""
        self._call("train")
        self.next(self.evaluate)

    @step
    def evaluate(self) -> None:
        """Evaluate."""
        self._call("evaluate")
        self.next(self.end)

    @step
    def end(self) -> None:
        """Judge."""
        self._call("judge")

    def _call(self, stage: str) -> None:
        known = json.loads(Path(self.commands).read_text(encoding="utf-8"))
        subprocess.run(known[stage], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    Stages()
