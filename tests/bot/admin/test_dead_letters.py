"""`modelyard inbox`: dead letters are listed, shown, and handled once more."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cli import main
from bot.database.inbox import MAX_ATTEMPTS
from bot.database.store import Store
from bot.webhooks.delivery import Delivery
from tests.support.databases import waiting
from tests.support.keys import private_key
from tests.support.runs import NOON


@pytest.fixture
def dead(store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store with a dead letter and one that waits; the command's settings lead to it."""
    for name in ("dead-1", "waits-1"):
        store.inbox.add(
            Delivery(
                id=name, event="issues", action="opened", repository="owner/demo", installation=1,
                payload=b'{"issue": {"number": 7}}', received_at=NOON,
            )
        )  # fmt: skip
    for _ in range(MAX_ATTEMPTS):
        store.inbox.mark_failed("dead-1", "a bug\nin two lines", NOON)
    settings = {"APP_ID": "1", "PRIVATE_KEY": private_key(), "WEBHOOK_SECRET": "s", "DATABASE_URL": database_url}
    for name, value in settings.items():
        monkeypatch.setenv(f"MODELYARD_{name}", value)
    return store


def test_dead_letters_are_listed_with_their_error(dead: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inbox"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "dead  dead-1  2026-11-22 12:00:00Z  owner/demo  issues.opened  tries 5  a bug in two lines"
    ]


def test_waiting_deliveries_are_listed_on_request(dead: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inbox", "--waiting"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["new", "waits-1"],
        ["dead", "dead-1"],
    ]


def test_a_dead_letter_is_shown_with_its_payload(dead: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inbox", "--show", "dead-1"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["status"], shown["event"], shown["payload"]) == ("dead", "issues", {"issue": {"number": 7}})


def test_an_unknown_delivery_is_reported(dead: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inbox", "--show", "nothing"]) == 1
    assert "no delivery 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("wanted", ["dead-1", "all"])
def test_a_dead_letter_can_be_replayed(dead: Store, wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    dead.inbox.postpone("waits-1", "", NOON + timedelta(days=9_000))
    assert main(["inbox", "--replay", wanted]) == 0
    assert "1 of 1" in capsys.readouterr().out
    assert waiting(dead, NOON + timedelta(days=8_000)) == ["dead-1"]


def test_only_dead_letters_can_be_replayed(dead: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inbox", "--replay", "waits-1", "dead-1"]) == 1
    assert "1 of 2" in capsys.readouterr().out


def test_handled_deliveries_are_forgotten_eventually(dead: Store, tmp_path: Path) -> None:
    dead.inbox.mark_done("waits-1")
    assert dead.inbox.delete_done(NOON) == 0
    assert dead.inbox.delete_done(NOON + timedelta(seconds=1)) == 1
    assert [kept.id for kept in dead.inbox.entries("dead", "new", "done")] == ["dead-1"]
