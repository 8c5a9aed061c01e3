"""The App's own operations, and comments that operations write, against a running hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.cli import main
from bot.parsing.form import form_body
from tests.support.local_hub import running_hub
from tests.support.records import record


def answer(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> Any:
    """Run an operation by the command and return the JSON it wrote."""
    assert main(["run", *arguments]) == code
    captured = capsys.readouterr()
    return json.loads(captured.err if code else captured.out)


def test_a_form_is_read_as_the_app_would_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    request = record().request
    parsed = answer(capsys, 0, "parse_issue", "--body", form_body(request))
    assert parsed["outcome"] == "request"
    assert parsed["request"] == request.model_dump(mode="json")


def test_a_wrong_form_lists_every_wrong_field(capsys: pytest.CaptureFixture[str]) -> None:
    body = form_body(record().request).replace("0.95", "95").replace("xgboost", "linear_regression")
    parsed = answer(capsys, 0, "parse_issue", "--body", body)
    assert parsed["outcome"] == "wrong_fields"
    assert {"algorithm", "threshold"} <= {wrong["field"] for wrong in parsed["wrong"]}


def test_an_ordinary_issue_is_not_a_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, 0, "parse_issue", "--body", "Please train something.")["outcome"] == "not_a_form"


def test_a_comment_is_posted_once_and_then_updated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_hub(tmp_path) as hub:
        hub.person("writer").post("/repos/owner/demo/issues", json={"title": "Hello"})
        monkeypatch.setenv("MODELYARD_GITHUB_API_URL", hub.api_url)
        monkeypatch.setenv("MODELYARD_GITHUB_TOKEN", hub.ready.tokens["writer"])
        post = ("post_issue_comment", "--repository", "owner/demo", "--issue", "1", "--idempotency-key", "greeting")
        first = answer(capsys, 0, *post, "--body", "Good morning")
        second = answer(capsys, 0, *post, "--body", "Good evening")
        comments = hub.person("reader").get("/repos/owner/demo/issues/1/comments").json()
    assert first["url"] == second["url"] == comments[0]["html_url"]
    assert len(comments) == 1
    assert comments[0]["body"].endswith("Good evening")


def test_without_credentials_the_error_suggests_a_fix(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MODELYARD_APP_ID", "MODELYARD_GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    error = answer(
        capsys, 1, "post_issue_comment", "--repository", "owner/demo", "--issue", "1", "--body", "Good morning"
    )
    assert error["reason"] == "hub_unavailable"
    assert "MODELYARD_GITHUB_TOKEN" in error["next_step"]
