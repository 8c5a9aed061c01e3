"""A model's finished runs, from the repository's history: the latest ones, and an estimate for the next."""

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
    """A repository whose files can be read."""

    async def file(self, path: str, ref: str | None = None) -> bytes | None: ...


@dataclass(frozen=True)
class Estimate:
    """How long a run may take: the median of finished ones.

    Attributes
    ----------
    runs
        How many finished runs it is based on.
    seconds
        Seconds per stage.
    runner
        The label of the runners that the latest of them used.
    """

    runs: int
    seconds: dict[str, float]
    runner: str

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


async def past_runs(repository: Files, branch: str, model: str, limit: int) -> list[RunRecord]:
    """Return a model's latest finished runs, the newest first, without those whose record cannot be read."""
    index = await repository.file(INDEX, branch)
    runs = runs_in(index.decode(errors="replace") if index else "", model)[:limit]
    texts = await asyncio.gather(*(repository.file(f"{FOLDER}/{run}.json", branch) for run in runs))
    records = []
    for run, text in zip(runs, texts, strict=True):
        try:
            records.append(RunRecord.model_validate_json(text or b""))
        except ValidationError:
            log.warning("the record of %s cannot be read", run)
    return records


def runs_in(index: str, model: str) -> list[str]:
    """Return the ids of a model's runs in the order of the index."""
    rows = (_ROW.match(line) for line in index.splitlines())
    return [row[1] for row in rows if row and row[2] == model]


def estimate(records: Sequence[RunRecord]) -> Estimate | None:
    """Estimate from the records that have a verdict; None if there are none."""
    judged = [record for record in records if record.verdicts]
    if not judged:
        return None
    seconds = {}
    for state, stage in _STAGES.items():
        # A run's record adds up the stays of all its attempts.
        took = [stay.seconds / record.attempt for record in judged for stay in record.stays if stay.state == state]
        if took:
            seconds[stage] = median(took)
    return Estimate(len(judged), seconds, judged[0].request.runner)
