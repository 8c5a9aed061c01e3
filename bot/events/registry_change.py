"""How a person's decision changes the registry, and the record of who decided it, when and why (pure).

Each change is a function of the present files, so it can be computed again, and detects if it has been made.
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
class PromotionTarget:
    """The version that a decision is about, and the run that made it.

    Attributes
    ----------
    version
        The registry's entry.
    record
        The record of the run, which contains the same artifact.
    champion
        The number of the present champion.
    """

    version: Version
    record: RunRecord
    champion: int | None

    def is_decided(self, decision: RecordedDecision) -> bool:
        """Return whether the record has this decision: a command may be handled twice."""
        return _is_decided(self.record, decision)


def _is_decided(record: RunRecord, decision: RecordedDecision) -> bool:
    identity = (decision.comment, decision.what)
    same = (known for known in record.decisions if (known.comment, known.what) == identity)
    return decision.who.is_among(known.who for known in same)


def record_path(run: str) -> str:
    """Return the path of a run's record in the repository."""
    return f"{FOLDER}/{run}.json"


def read_model(model: str, text: bytes | None) -> ModelFile:
    """Read a model's file in the registry.

    Raises
    ------
    NotFound
        ``model_not_found``.
    InvalidInput
        If the file is invalid.
    """
    if text is None:
        raise NotFound(
            "model_not_found",
            rule="The model must be registered.",
            found=f"{model_file.path_of(model)} does not exist.",
            next_step="Train it until it passes.",
        )
    return model_file.parse(text, model_file.path_of(model))


def read_record(version: Version, text: bytes | None) -> RunRecord:
    """Read the record of the run that made a version; it must be about the registered artifact.

    Raises
    ------
    Conflict
        ``artifact_differs``.
    """
    found = "it has no record"
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
            found = f"its record has sha256 {result.model.sha256 if result else 'none'} and the status {record.status}"
    raise Conflict(
        "artifact_differs",
        rule="To become champion, a model must have been trained and judged by a run.",
        found=f"Version {version.version} is {version.run} attempt {version.attempt} with sha256 {version.sha256}; {found}.",
        next_step="Check the history of the registry file: someone has changed it.",
    )


def promoted(target: PromotionTarget, decision: RecordedDecision, read: Reader) -> Files:
    """Make a version the champion and record the decision; change nothing if that has been done."""
    return _move(target, decision, read, lambda text: model_file.set_alias(text, "champion", target.version.version))


def rolled_back(target: PromotionTarget, decision: RecordedDecision, read: Reader) -> Files:
    """Make an earlier version the champion again and record the decision; change nothing if that has been done."""

    def back(text: bytes) -> str:
        champion = model_file.parse(text).aliases.get("champion")
        if champion != target.champion:
            raise champion_changed(target.record.request.model_name, champion)
        return model_file.roll_back(text, target.version.version)

    return _move(target, decision, read, back)


def champion_changed(model: str, champion: int | None) -> Conflict:
    """Return the error for a rollback that was requested while another version was the champion."""
    return Conflict(
        "champion_changed",
        rule="The champion must still be the version that it was when the rollback was requested.",
        found=f"Version {champion} of {model} is the champion now.",
        next_step="Check the version, then repeat the command.",
    )


def became_champion_after(record: RunRecord, written: datetime, received: datetime) -> bool:
    """Return whether a version became champion after a comment was written, by a decision (GitHub's clock) or by its run."""
    decided = [decision.when for decision in record.decisions if decision.what in ("promote", "rollback")]
    return max(decided) > written if decided else record.finished > received


def rollback_target(file: ModelFile, number: int | None) -> Version:
    """Return the version that a rollback leads to.

    Raises
    ------
    NotFound, Conflict
        As ``model_file.roll_back``.
    """
    after = model_file.parse(model_file.roll_back(model_file.render(file), number))
    return after.version("champion")


def registered_again(record: RunRecord, read: Reader) -> tuple[Files, int]:
    """Register a passed run's model unless it is registered; return the change and the version.

    Raises
    ------
    InvalidInput
        ``not_passed``.
    """
    result = record.result
    if record.status != "passed" or result is None:
        raise InvalidInput(
            "not_passed",
            rule="A model must have passed before it is registered.",
            found=f"{record.run} ended as {record.status}.",
            next_step="Train again: /retry.",
        )
    path = model_file.path_of(record.request.model_name)
    present = read(path)
    text, version = register(record, result, present)
    return ({} if text.encode() == present else {path: text.encode()}), version


def _move(target: PromotionTarget, decision: RecordedDecision, read: Reader, move: Callable[[bytes], str]) -> Files:
    path = model_file.path_of(target.record.request.model_name)
    text = read(path)
    file = read_model(target.record.request.model_name, text)
    version = file.version(target.version.version)
    # The decision is bound to the artifact that the person saw.
    record = read_record(version, read(record_path(version.run)))
    if version != target.version:
        raise Conflict(
            "version_changed",
            rule="The version must not change while a decision about it is made.",
            found=f"Version {version.version} of {file.name} has changed in the meantime.",
            next_step="Check the version, then repeat the command.",
        )
    if _is_decided(record, decision):
        return {}
    updated = record.model_copy(update={"decisions": (*record.decisions, decision)})
    change = history_change(updated)
    return {
        path: move(text or b"").encode(),
        record_path(updated.run): (masked_json(updated.model_dump_json(indent=2)) + "\n").encode(),
        change.markdown_path: render(updated, tuple(change.plots)).encode(),
    }
