"""`modelyard replay`: a saved delivery in whichever form, and for real against the last demo's App."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runners.local.demo import replay
from runners.local.demo.replay import SavedDeliveryError, at_home, read
from runners.local.demo.workspace import Workspace

PAYLOAD = {"action": "opened", "issue": {"number": 1}, "repository": {"full_name": "team/models", "id": 9}}


@pytest.mark.parametrize(
    "saved",
    [
        {"id": "x", "event": "issues", "payload": PAYLOAD},
        {"guid": "x", "event": "issues", "request": {"headers": {}, "payload": PAYLOAD}},
    ],
)
def test_a_delivery_is_read_as_the_inbox_and_as_github_write_it(saved: object) -> None:
    assert read(json.dumps(saved)) == replay.SavedDelivery("issues", PAYLOAD)


def test_a_bare_payload_needs_its_events_name() -> None:
    assert read(json.dumps(PAYLOAD), "issues") == replay.SavedDelivery("issues", PAYLOAD)
    with pytest.raises(SavedDeliveryError, match="name it with --event"):
        read(json.dumps(PAYLOAD))


@pytest.mark.parametrize("text", ["", "[]", "no json", '{"event": "issues", "payload": null}', "[" * 100_000])
def test_what_is_no_delivery_is_told(text: str) -> None:
    with pytest.raises(SavedDeliveryError, match=r"the file|the delivery"):
        read(text)


def test_a_delivery_of_another_repository_is_moved_to_the_demos() -> None:
    moved = json.loads(at_home(replay.SavedDelivery("issues", PAYLOAD), "owner/demo", 3))
    assert moved["repository"] == {"full_name": "owner/demo", "name": "demo", "id": 9, "owner": {"login": "owner"}}
    assert (moved["installation"], moved["issue"]) == ({"id": 3}, {"number": 1})


def test_a_saved_delivery_is_handled_by_the_app_of_the_last_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replay, "FOLDER", tmp_path / "demo")
    monkeypatch.setattr(replay, "QUIET_SECONDS", 1.0)
    saved = tmp_path / "saved.json"
    saved.write_text(
        json.dumps({"event": "issues", "payload": PAYLOAD | {"sender": {"type": "User"}}}), encoding="utf-8"
    )
    assert replay.replay(saved) == 2
    assert "make demo" in capsys.readouterr().err, "there is no demo yet"
    Workspace(tmp_path / "demo").make()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    assert replay.replay(saved) == 0
    assert capsys.readouterr().out.startswith("202 ")
