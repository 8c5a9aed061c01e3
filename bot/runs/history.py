"""Finished runs of a model, out of the repository's history: the latest ones, and how long the next one may take."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from pydantic import ValidationError

from actions.contracts.run_id import RUN_ID
from actions.history_management.change import FOLDER
from actions.history_management.record import RunRecord
from bot.runs.machines.training import MACHINE

log = logging.getLogger(__name__)

INDEX = f"{FOLDER}/index.md"
_ROW = re.compile(rf"^\| \[({RUN_ID})\]\([^|]*\| `([^`|]*)` \|")
_STAGES = {str(state): ", ".join(spec.stages) for state, spec in MACHINE.table.items() if spec.stages}


class Files(Protocol):
    """A repository on the hub, as far as its files are read."""

    async def file(self, path: str, ref: str | None = None) -> bytes | None: ...


@dataclass(frozen=True)
class Estimate:
    """How long a run may take: the middle of what finished ones took.

    Attributes
    ----------
    runs
        How many finished runs it is made from.
    seconds
        By stage.
    runner
        The label of the runners that they ran on.
    """

    runs: int
    seconds: dict[str, float]
    runner: str

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


async def past_runs(repository: Files, branch: str, model: str, most: int) -> list[RunRecord]:
    """Return a model's latest finished runs, the newest first; what cannot be read is left out."""
    index = await repository.file(INDEX, branch)
    runs = runs_in(index.decode(errors="replace") if index else "", model)[:most]
    texts = await asyncio.gather(*(repository.file(f"{FOLDER}/{run}.json", branch) for run in runs))
    found = []
    for run, text in zip(runs, texts, strict=True):
        try:
            found.append(RunRecord.model_validate_json(text or b""))
        except ValidationError:
            log.warning("the record of %s cannot be read", run)
    return found


def runs_in(index: str, model: str) -> list[str]:
    """Return the ids of a model's runs in the text of the index, in its order."""
    rows = (_ROW.match(line) for line in index.splitlines())
    return [row[1] for row in rows if row and row[2] == model]


def estimate(records: Sequence[RunRecord]) -> Estimate | None:
    """Estimate from those that reached a verdict; None without any."""
    judged = [record for record in records if record.verdicts]
    if not judged:
        return None
    seconds = {}
    for state, stage in _STAGES.items():
        # A run's stays are those of all its attempts together.
        took = [stay.seconds / record.attempt for record in judged for stay in record.stays if stay.state == state]
        if took:
            seconds[stage] = median(took)
    return Estimate(len(judged), seconds, judged[0].request.runner)
