"""The snapshot of a run in its comment: what it contains, and when it is valid."""

from __future__ import annotations

import base64
import random
import string
import zlib
from datetime import timedelta

import pytest

from actions.contracts.person import Person
from bot.github.issues import MARKER_START
from bot.messages import markup, run_comments
from bot.runs import snapshot as snapshots
from bot.runs.machines.training import State
from bot.runs.run import Decision, Run, StageError, Visit
from bot.runs.snapshot import MAX_SNAPSHOT_LENGTH, _signature, read_snapshot, snapshot
from bot.runs.view import RunView
from tests.support.results import a_result
from tests.support.runs import NOON, a_run, an_order

SECRET = b"only for tests"


def a_long_run() -> Run:
    """Return a run with a long past, and with a log that cannot be compressed."""
    run = a_run()
    noise = "".join(random.Random(1).choices(string.printable, k=20_000))  # noqa: S311 - no secret
    visits = tuple(Visit(state=State.TRAIN_MODEL, entered=NOON, left=NOON + timedelta(seconds=n)) for n in range(100))
    error = StageError(stage="train", log_tail=noise)
    return run.replace(visits=visits, error=error, result=a_result(an_order(run), 0.95))


def read(text: str, **changes: object) -> Run | None:
    place = {"repository": "owner/demo", "issue": 1, "run_id": "train-20261122-001", "secret": SECRET, **changes}
    return read_snapshot(text, **place)  # type: ignore[arg-type]


def test_a_run_is_read_back_unchanged_except_for_when_it_is_due() -> None:
    run = a_run(state=State.TRAIN_MODEL, notes="Für alle --> `hier`", language="ja", notified=("issue", "email:a@b.c"))
    assert read(f"Some text\n\n{snapshot(run, SECRET)}\n") == run.replace(due=None)


def test_a_snapshot_contains_no_secret_that_people_wrote() -> None:
    secret = "ghp_" + "0123456789abcdefghij"
    decision = Decision(who=Person(login="writer"), what="approve", when=NOON, attempt=1, reason=f"again with {secret}")
    kept = read(snapshot(a_run(notes=f"the bot is {secret}", decisions=(decision,)), SECRET))
    assert kept is not None
    assert (kept.request.notes, kept.decisions[0].reason) == ("the bot is ***", "again with ***")


@pytest.mark.parametrize(
    "changed", [{"repository": "owner/other"}, {"issue": 2}, {"run_id": "train-20261122-002"}, {"secret": b"another"}]
)
def test_a_snapshot_is_valid_only_where_it_was_made(changed: dict[str, object]) -> None:
    assert read(snapshot(a_run(), SECRET), **changed) is None


def test_a_snapshot_is_valid_only_unchanged_and_in_the_last_line() -> None:
    line = snapshot(a_run(), SECRET)
    place = line.index("state:") + 20
    other = "A" if line[place] != "A" else "B"
    assert read(f"{line[:place]}{other}{line[place + 1 :]}") is None
    assert read(f"{line}\nmore") is None
    assert read("") is None


def test_a_signed_snapshot_of_another_version_of_modelyard_is_no_run() -> None:
    for content in (b'{"unknown": 1}', b"[]"):
        text = base64.b64encode(zlib.compress(content)).decode()
        signed = f"{MARKER_START}state:{text}.{_signature('owner/demo', 1, 'train-20261122-001', text, SECRET)} -->"
        assert read(signed) is None
    for text in ("AAAA", "A"):
        signed = f"{MARKER_START}state:{text}.{_signature('owner/demo', 1, 'train-20261122-001', text, SECRET)} -->"
        assert read(signed) is None


def test_a_long_log_is_left_out_of_the_snapshot() -> None:
    run = a_long_run()
    line = snapshot(run, SECRET)
    assert len(line) <= MAX_SNAPSHOT_LENGTH
    found = read(line)
    assert found is not None
    assert found.error == StageError(stage="train")
    assert found.result == run.result


def test_a_snapshot_may_be_as_long_as_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(error=StageError(stage="train", log_tail="a short log"))
    length = len(snapshot(run, SECRET).partition("state:")[2].partition(".")[0])
    for limit, kept in ((length, "a short log"), (length - 1, "")):
        monkeypatch.setattr(snapshots, "MAX_SNAPSHOT_LENGTH", limit)
        found = read(snapshot(run, SECRET))
        assert found is not None
        assert found.error is not None
        assert found.error.log_tail == kept


def test_a_snapshot_leaves_out_what_every_new_run_has() -> None:
    text = snapshot(a_run(), SECRET).partition("state:")[2].partition(".")[0]
    content = zlib.decompress(base64.b64decode(text))
    assert b'"requester"' in content
    assert b'"overdue"' not in content


def test_the_comment_leaves_room_for_its_snapshot() -> None:
    text = run_comments.sticky(RunView(a_long_run(), updated=NOON), limit=markup.MAX_LENGTH - MAX_SNAPSHOT_LENGTH)
    assert len(text) <= markup.MAX_LENGTH - MAX_SNAPSHOT_LENGTH
