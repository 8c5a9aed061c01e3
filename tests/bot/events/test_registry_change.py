"""A decision about the registry is about one artifact that a run made and judged, or it is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actions.errors import Conflict, InvalidInput, NotFound
from actions.history_management.record import RecordedDecision, RunRecord
from actions.model_registry import model_file
from bot.events.registry_change import (
    Files,
    PromotionTarget,
    became_champion_after,
    promoted,
    read_record,
    record_path,
    registered_again,
    rollback_target,
    rolled_back,
)
from tests.support.records import record, result

MODEL = "training_history/models/breast-cancer.yaml"
RUNS = [f"train-20261122-{number:03}" for number in (1, 2, 3)]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def registered(*runs: str, champion: int = 2) -> Files:
    """Return a repository whose registry has a version for each run."""
    files: Files = {}
    for run in runs or RUNS:
        one = record(run, finished=NOON)
        change, _ = registered_again(one, files.get)
        files |= change | {record_path(run): one.model_dump_json().encode()}
    return files | {MODEL: model_file.set_alias(text(files), "champion", champion).encode()}


def text(files: Files) -> bytes:
    found = files[MODEL]
    assert found is not None
    return found


def aliases(files: Files) -> dict[str, int]:
    return model_file.parse(text(files)).aliases


def target(files: Files, number: int) -> PromotionTarget:
    file = model_file.parse(text(files))
    version = file.version(number)
    return PromotionTarget(version, read_record(version, files[record_path(version.run)]), file.aliases.get("champion"))


def decision(what: str, **changes: Any) -> RecordedDecision:
    return RecordedDecision(**{"who": "owner", "what": what, "when": NOON, "comment": 7, **changes})


def test_a_promotion_moves_the_champion_and_is_recorded_once() -> None:
    files = registered()
    change = promoted(target(files, 3), decision("promote"), files.get)
    assert aliases(change) == {"candidate": 3, "champion": 3, "previous": 2}
    content = change[record_path(RUNS[2])] or b""
    assert content.startswith(b'{\n  "schema_version"'), "one line per field, so that changes are small diffs"
    written = json.loads(content)
    assert [(one["who"]["login"], one["what"]) for one in written["decisions"]] == [("owner", "promote")]
    assert change.keys() == {MODEL, record_path(RUNS[2]), f"training_history/{RUNS[2]}.md"}
    assert promoted(target(files, 3), decision("promote"), (files | change).get) == {}


@pytest.mark.parametrize("other", [{"comment": 8}, {"who": "writer"}, {"what": "rollback"}])
def test_a_decision_is_the_same_only_if_comment_person_and_kind_are(other: dict[str, Any]) -> None:
    files = registered()
    files |= promoted(target(files, 3), decision("promote"), files.get)
    again = target(files, 3)
    assert again.is_decided(decision("promote"))
    assert not again.is_decided(decision(**{"what": "promote", **other}))


def test_a_rollback_goes_to_the_version_that_was_decided_on() -> None:
    files = registered(champion=3)
    change = rolled_back(target(files, 1), decision("rollback"), files.get)
    assert aliases(change) == {"candidate": 3, "champion": 1}


def test_a_rollback_is_refused_if_another_version_has_become_champion() -> None:
    files = registered(champion=2)
    decided = target(files, 1)
    files |= promoted(target(files, 3), decision("promote"), files.get)
    with pytest.raises(Conflict) as refused:
        rolled_back(decided, decision("rollback"), files.get)
    assert refused.value.problem.reason == "champion_changed"
    assert "Version 3 " in refused.value.problem.found


@pytest.mark.parametrize("change", [promoted, rolled_back])
def test_a_decision_is_refused_if_the_version_changed_after_it(change: Any) -> None:
    files = registered(champion=3)
    decided = target(files, 1)
    moved = text(files).replace(f"{RUNS[0]}/1/model.skops".encode(), b"elsewhere/model.skops")
    assert moved != text(files)
    with pytest.raises(Conflict) as refused:
        change(decided, decision("promote"), (files | {MODEL: moved}).get)
    assert refused.value.problem.reason == "version_changed"


@pytest.mark.parametrize(
    "changes",
    [
        {"result": result(attempt=2)},
        {"result": result(model={"uri": "owner/project/models/x/1/model.skops", "sha256": "e" * 64, "size_bytes": 1})},
        {"result": None},
        {"status": "rejected"},
    ],
)
def test_only_the_artifact_that_the_run_made_and_judged_can_become_champion(changes: dict[str, Any]) -> None:
    version = model_file.parse(text(registered())).version(1)
    with pytest.raises(Conflict) as refused:
        read_record(version, record(**changes).model_dump_json().encode())
    assert refused.value.problem.reason == "artifact_differs"


@pytest.mark.parametrize(("content", "found"), [(None, "no record"), (b"{}", "cannot be read")])
def test_a_version_without_a_readable_record_cannot_become_champion(content: bytes | None, found: str) -> None:
    version = model_file.parse(text(registered())).version(1)
    with pytest.raises(Conflict) as refused:
        read_record(version, content)
    assert found in refused.value.problem.found


@pytest.mark.parametrize(
    "changes", [{"status": "rejected"}, {"status": "failed"}, {"status": "cancelled"}, {"result": None}]
)
def test_only_a_run_that_passed_is_registered(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        registered_again(record(**changes), lambda _: None)
    assert refused.value.problem.reason == "not_passed"


def test_a_run_that_is_registered_changes_nothing_a_second_time() -> None:
    files = registered()
    assert registered_again(record(RUNS[1], finished=NOON), files.get) == ({}, 2)


def decided(*moments: datetime, what: str = "promote") -> RunRecord:
    return record(finished=NOON, decisions=[decision(what, when=moment) for moment in moments])


LATER, EARLIER = NOON + timedelta(minutes=1), NOON - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("became", "written", "received", "is_after"),
    [
        (decided(), LATER, EARLIER, True),
        (decided(), EARLIER, NOON, False),
        (decided(EARLIER), NOON, EARLIER, False),
        (decided(LATER), NOON, LATER, True),
        (decided(NOON), NOON, EARLIER, False),
        (decided(EARLIER, LATER), NOON, LATER, True),
        (decided(LATER, what="rollback"), NOON, LATER, True),
        (decided(LATER, what="approve"), NOON, NOON, False),
    ],
)
def test_a_champion_is_newer_than_a_comment_by_its_last_decision_or_else_by_its_run(
    became: RunRecord, written: datetime, received: datetime, is_after: bool
) -> None:
    assert became_champion_after(became, written, received) is is_after


def test_the_version_that_a_rollback_leads_to_is_previous_or_the_one_that_was_named() -> None:
    files = registered(champion=1)
    files |= promoted(target(files, 3), decision("promote"), files.get)
    file = model_file.parse(text(files))
    assert rollback_target(file, None).version == 1
    assert rollback_target(file, 2).version == 2
    with pytest.raises(NotFound):
        rollback_target(file, 9)
