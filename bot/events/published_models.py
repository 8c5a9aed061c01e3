"""Finds the model that a person named, in the registry or in the history."""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic import ValidationError

from actions.contracts.request import Sha256
from actions.contracts.run_id import RUN_ID, day_of, number_of
from actions.errors import Conflict, NotFound
from actions.history_management.record import RunRecord
from actions.model_registry import model_file
from actions.tasks.exchange import PublishedResult
from bot.events.registry_change import read_model, record_path
from bot.github import Repository
from bot.runs.run import Run


class PublishedModel(NamedTuple):
    """A model file, and the run that made it.

    Attributes
    ----------
    label
        Its name in a reply.
    run, attempt
        What made it.
    uri, sha256
        Where it is, and the digest that it must have.
    """

    label: str
    run: str
    attempt: int
    uri: str
    sha256: Sha256

    @property
    def age(self) -> tuple[str, int, int]:
        """Its place in time: the day, the run's number and the attempt."""
        return day_of(self.run), number_of(self.run), self.attempt


async def find_model(name: str, run: Run, repository: Repository, branch: str) -> PublishedModel:
    """Return the model with a run's id, or with a version's number or an alias of this run's model.

    Raises
    ------
    NotFound
        If the run, the version or the alias does not exist, or the run made no model.
    """
    if name == run.id and run.result is not None:
        return _from_result(run.result)
    if re.fullmatch(RUN_ID, name):
        record = await load_record(name, repository, branch, "Wait until it has ended, or name another run.")
        if record.result is None:
            raise no_model(name)
        return _from_result(record.result)
    file = read_model(run.model, await repository.file(model_file.path_of(run.model), branch))
    version = file.version(name.removeprefix("v") if name[:1] == "v" and name[1:].isdecimal() else name)
    label = f"version {version.version} of {file.name}"
    return PublishedModel(label, version.run, version.attempt, version.uri, version.sha256)


async def load_record(run: str, repository: Repository, branch: str, next_step: str) -> RunRecord:
    """Read a run's record from the history.

    Raises
    ------
    NotFound
        ``no_record``, with the next step.
    Conflict
        ``record_unreadable``.
    """
    text = await repository.file(record_path(run), branch)
    if text is None:
        raise NotFound(
            "no_record",
            rule="The run must have ended and be in the history.",
            found=f"{record_path(run)} does not exist.",
            next_step=next_step,
        )
    try:
        return RunRecord.model_validate_json(text)
    except ValidationError:
        raise Conflict(
            "record_unreadable",
            rule="The run's record must be unchanged since the App wrote it.",
            found=f"{record_path(run)} cannot be read.",
            next_step="Check the file's history: someone has changed it.",
        ) from None


def no_model(run: str) -> NotFound:
    """Return the error for a run that made no model."""
    return NotFound(
        "no_model",
        rule="The run must have trained and published a model.",
        found=f"{run} has published none.",
        next_step="Wait until it is judged, or name another run.",
    )


def _from_result(result: PublishedResult) -> PublishedModel:
    return PublishedModel(result.run, result.run, result.attempt, result.model.uri, result.model.sha256)
