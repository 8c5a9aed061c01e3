"""What a person's decision changes in the registry, together with the record of who decided it, when and why (pure).

Each change is a function of the files as they are now, so it can be computed again, and knows whether it was made already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from actions.context import Reader
from actions.errors import Conflict, InvalidInput, NotFound
from actions.history_management.change import FOLDER, history_change, register
from actions.history_management.record import RecordedDecision, RunRecord
from actions.history_management.report import render
from actions.model_registry import model_file
from actions.model_registry.model_file import ModelFile, Version
from actions.text.masking import masked_json

Files = dict[str, bytes | None]


@dataclass(frozen=True)
class Chosen:
    """The version that a decision is about, and the run that made it.

    Attributes
    ----------
    version
        As the registry has it.
    record
        The run, with this very artifact.
    champion
        The number of the version that is champion now.
    """

    version: Version
    record: RunRecord
    champion: int | None

    def is_decided(self, decision: RecordedDecision) -> bool:
        """Tell whether this decision stands in the record: a command may be handled twice."""
        return any(same(known, decision) for known in self.record.decisions)


def same(one: RecordedDecision, other: RecordedDecision) -> bool:
    """Tell whether two decisions are the same comment's."""
    return one.comment == other.comment and (one.who, one.what) == (other.who, other.what)


def record_path(run: str) -> str:
    """Return the path of a run's record in the repository."""
    return f"{FOLDER}/{run}.json"


def read_model(model: str, text: bytes | None) -> ModelFile:
    """Read the registry's file of a model.

    Raises
    ------
    NotFound
        With reason ``model_not_found``.
    InvalidInput
        Where the file is broken.
    """
    if text is None:
        raise NotFound(
            "model_not_found",
            rule="The model has to be registered.",
            found=f"{model_file.path_of(model)} does not exist.",
            next_step="Train it until it passes.",
        )
    return model_file.parse(text)


def read_record(version: Version, text: bytes | None) -> RunRecord:
    """Read the record of the run that made a version; it has to be about the very artifact that is registered.

    Raises
    ------
    Conflict
        With reason ``artifact_differs``.
    """
    found = "there is no record of it"
    if text is not None:
        try:
            record = RunRecord.model_validate_json(text)
        except ValidationError:
            found = "its record cannot be read"
        else:
            result = record.result
            is_same = result is not None and (result.attempt, result.model.sha256) == (version.attempt, version.sha256)
            if is_same and record.status == "passed":
                return record
            found = f"its record is of sha256 {result.model.sha256 if result else 'none'}, of a run that ended as {record.status}"
    raise Conflict(
        "artifact_differs",
        rule="Only what a run has made, and judged, becomes champion.",
        found=f"Version {version.version} is {version.run} attempt {version.attempt} with sha256 {version.sha256}; {found}.",
        next_step="Look at the history of the registry's file: somebody has changed it.",
    )


def promoted(chosen: Chosen, decision: RecordedDecision, read: Reader) -> Files:
    """Make a version the champion, and write down who said so; nothing where that was done already."""
    return _moved(chosen, decision, read, lambda text: model_file.set_alias(text, "champion", chosen.version.version))


def rolled_back(chosen: Chosen, decision: RecordedDecision, read: Reader) -> Files:
    """Make an earlier version the champion again, and write down who said so; nothing where that was done already."""

    def back(text: bytes) -> str:
        champion = model_file.parse(text).aliases.get("champion")
        if champion != chosen.champion:
            raise champion_changed(chosen.record.request.model_name, champion)
        return model_file.roll_back(text, chosen.version.version)

    return _moved(chosen, decision, read, back)


def champion_changed(model: str, champion: int | None) -> Conflict:
    """Return the error for a roll-back that was asked for while another version was the champion."""
    return Conflict(
        "champion_changed",
        rule="A roll-back is about the champion that was seen when it was asked for.",
        found=f"Meanwhile version {champion} of {model} is the champion.",
        next_step="Look at it, and say it again.",
    )


def became_champion_after(record: RunRecord, written: datetime, received: datetime) -> bool:
    """Tell whether a champion became that after a comment was written: by a decision (GitHub's times), or by its run."""
    decided = [one.when for one in record.decisions if one.what in ("promote", "rollback")]
    return max(decided) > written if decided else record.finished > received


def target_of_rollback(file: ModelFile, number: int | None) -> Version:
    """Return the version that a roll-back leads to.

    Raises
    ------
    NotFound, Conflict
        As ``model_file.roll_back``.
    """
    after = model_file.parse(model_file.roll_back(model_file.render(file), number))
    return after.version("champion")


def registered_again(record: RunRecord, read: Reader) -> tuple[Files, int]:
    """Register a passed run's model, should the registry not know it; return the change and the version.

    Raises
    ------
    InvalidInput
        With reason ``not_passed``.
    """
    result = record.result
    if record.status != "passed" or result is None:
        raise InvalidInput(
            "not_passed",
            rule="A model is registered when it has passed its verdict.",
            found=f"{record.run} ended as {record.status}.",
            next_step="Train again: /retry.",
        )
    path = model_file.path_of(record.request.model_name)
    present = read(path)
    text, version = register(record, result, present)
    return ({} if text.encode() == present else {path: text.encode()}), version


def _moved(chosen: Chosen, decision: RecordedDecision, read: Reader, move: Callable[[bytes], str]) -> Files:
    path = model_file.path_of(chosen.record.request.model_name)
    text = read(path)
    file = read_model(chosen.record.request.model_name, text)
    version = file.version(chosen.version.version)
    # What was decided on is what is done: the same artifact, or nothing.
    record = read_record(version, read(record_path(version.run)))
    if version != chosen.version:
        raise Conflict(
            "version_changed",
            rule="A decision is about one artifact.",
            found=f"Version {version.version} of {file.name} has changed meanwhile.",
            next_step="Look at it, and say it again.",
        )
    if any(same(known, decision) for known in record.decisions):
        return {}
    noted = record.model_copy(update={"decisions": (*record.decisions, decision)})
    change = history_change(noted)
    return {
        path: move(text or b"").encode(),
        record_path(noted.run): (masked_json(noted.model_dump_json(indent=2)) + "\n").encode(),
        change.markdown_path: render(noted, tuple(change.plots)).encode(),
    }
