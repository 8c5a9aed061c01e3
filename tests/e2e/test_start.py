"""``modelyard start``: the issue is opened once, as the person whose token it is, and its run can be followed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from actions.tasks.registry import tasks
from bot.admin.start.client import follow, open_issue
from bot.cli import main
from bot.github.personal import open_repository
from bot.parsing.form import form_body
from bot.parsing.form_fields import request_fields
from runners.local.hub.faults import Kind
from tests.support.github_openapi import AsyncCheckedTransport
from tests.support.loop import Loop
from tests.support.repositories import git
from tests.support.runs import a_request
from tests.support.scripted_runs import Script

Command = Callable[..., int]


@pytest.fixture
def start(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the command, run as the writer against the local hub."""
    monkeypatch.setattr("bot.admin.start.command.POLL_SECONDS", 0.05)
    monkeypatch.setenv("GITHUB_API_URL", loop.hub.api_url)
    monkeypatch.setenv("GITHUB_TOKEN", loop.ready.tokens["writer"])
    return lambda *words: main(["start", "--repo", loop.name, *words])


def settings(**changes: Any) -> list[str]:
    fields = a_request(**changes).model_dump(exclude_defaults=True)
    return ["--set", *(f"{name}={value}" for name, value in fields.items())]


def of_model(loop: Loop, model: str) -> list[dict[str, Any]]:
    with loop.person("owner") as client:
        found = client.get("/issues", params={"state": "all", "per_page": 100}).json()
    return [issue for issue in found if issue["title"] == f"Train: {model}"]


def test_it_opens_one_issue_as_its_user_and_follows_the_run_to_its_end(
    loop: Loop, start: Command, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start("--wait", *settings(model_name=model)) == 0
    [issue] = of_model(loop, model)
    run = loop.run(issue["number"])
    assert (issue["user"]["login"], run.requester.login, run.status) == ("writer", "writer", "passed")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == issue["html_url"]
    assert "assed" in said[-1]
    assert run.id in said[-1] or model in said[-1]
    assert len(loop.jobs.works) == 1


def test_a_run_that_does_not_pass_exits_with_one(loop: Loop, start: Command, model: str) -> None:
    loop.script(train=Script(outcome="failure", log=("MemoryError",)))
    assert start("--wait", *settings(model_name=model)) == 1


def test_an_invalid_request_exits_with_one(
    loop: Loop, start: Command, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start("--wait", *settings(model_name=model, runner="other")) == 1
    assert "This request has 1 problem" in capsys.readouterr().out


def test_a_key_opens_one_issue_however_often_it_is_used(loop: Loop, start: Command, model: str) -> None:
    for _ in range(3):
        assert start("--key", f"key of {model}", *settings(model_name=model)) == 0
    [issue] = of_model(loop, model)
    loop.until_ended(issue["number"])
    assert start("--wait", "--key", f"key of {model}", *settings(model_name=model)) == 0
    assert len(of_model(loop, model)) == len(loop.jobs.works) == 1


def test_without_a_key_each_call_is_a_request_of_its_own(loop: Loop, start: Command, model: str) -> None:
    for _ in range(2):
        assert start(*settings(model_name=model)) == 0
    assert len(of_model(loop, model)) == 2
    for issue in of_model(loop, model):
        loop.until_ended(issue["number"])


def test_an_issue_whose_answer_is_lost_is_found_again(loop: Loop, start: Command, model: str) -> None:
    loop.hub.faults.add("POST", "/issues$", Kind.BROKEN, executed=True)
    assert start(*settings(model_name=model)) == 0
    [issue] = of_model(loop, model)
    loop.until_ended(issue["number"])


def test_everything_that_it_sends_is_as_github_describes_it(loop: Loop, model: str) -> None:
    async def open_twice_and_follow() -> int:
        transport = AsyncCheckedTransport(httpx.AsyncHTTPTransport())
        token = loop.ready.tokens["writer"]
        async with open_repository(loop.name, token=token, api_url=loop.hub.api_url, transport=transport) as repository:
            content = (f"Train: {model}", form_body(a_request(model_name=model)), model)
            issue = await open_issue(repository, *content, fresh=False)
            assert (await open_issue(repository, *content, fresh=False)).number == issue.number
            return await follow(repository, issue.number, lambda _: None, 0.05)

    assert asyncio.run(open_twice_and_follow()) == 0


def test_without_write_permission_no_issue_is_opened(
    loop: Loop, start: Command, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", loop.ready.tokens["reader"])
    assert start(*settings(model_name=model)) == 1
    assert "write permission" in capsys.readouterr().err
    assert of_model(loop, model) == []


def test_an_unknown_token_is_reported_and_never_shown(
    start: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_notatoken")
    assert start(*settings()) == 1
    said = capsys.readouterr()
    assert "401" in said.err
    assert "ghp_notatoken" not in said.out + said.err


def test_a_closed_issue_without_a_run_ends_the_waiting(loop: Loop, model: str) -> None:
    with loop.person("writer") as client:
        number = client.post("/issues", json={"title": "No run"}).json()["number"]
        client.patch(f"/issues/{number}", json={"state": "closed"}).raise_for_status()
    lines: list[str] = []

    async def follow_closed_issue() -> int:
        token = loop.ready.tokens["writer"]
        async with open_repository(loop.name, token=token, api_url=loop.hub.api_url) as repository:
            return await follow(repository, number, lines.append, 0.05)

    assert asyncio.run(follow_closed_issue()) == 1
    assert lines == ["The issue was closed before a run started."]


# --- without a hub -------------------------------------------------------------------------------------------------------


def dry(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["start", "--dry-run", *words]) == 0
    return capsys.readouterr().out


def test_a_file_is_read_as_yaml_or_json_and_settings_go_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = a_request(seed=3, hyperparameters={"n_estimators": 20, "criterion": "8"}).model_dump()
    as_json = tmp_path / "request.json"
    as_json.write_text(json.dumps(fields), encoding="utf-8")
    as_yaml = tmp_path / "request.yml"
    as_yaml.write_text(
        "\n".join(f"{name}: {json.dumps(value)}" for name, value in fields.items() if name != "hyperparameters")
        + "\nhyperparameters:\n  n_estimators: 20\n",
        encoding="utf-8",
    )
    said = dry(capsys, "--file", str(as_json), "--set", "seed=7", "hyperparameters.max_depth=3")
    assert "### Seed\n\n7\n" in said
    assert "n_estimators: 20\n" in said
    assert "max_depth: 3\n" in said
    assert "n_estimators: 20\n" in dry(capsys, "--file", str(as_yaml))


def test_all_problems_are_reported_at_once_and_no_issue_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", "--set", "model_name=Big", "threshold=x", "sead=1", "--set", "data=\x1b[2J"]) == 2
    said = capsys.readouterr().err
    for word in ("Big", "threshold", "Did you mean seed?", "Metric"):
        assert word.lower() in said.lower()
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "seed"], "NAME=VALUE"),
        (["--file", "no-such-file.yml"], "no-such-file.yml"),
        (["--api-url", "http://github.example", *settings()], "https"),
        (["--repo", "no-repository", *settings()], "OWNER/NAME"),
        (["--repo", "a/../b", *settings()], "OWNER/NAME"),
    ],
)
def test_a_wrong_argument_is_told(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_x")
    assert main(["start", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["git@github.com:owner/demo.git", "https://github.com/owner/demo", "ssh://git@host:22/owner/demo.git"]
)
def test_the_repository_is_the_checkout_s_origin(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.admin.start.command import _origin

    git(tmp_path, "init", "--quiet")
    git(tmp_path, "remote", "add", "origin", url)
    monkeypatch.chdir(tmp_path)
    assert _origin() == "owner/demo"


def test_help_lists_every_field_of_the_request_with_the_choices_of_every_task(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["start", "--help"])
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in request_fields())
    assert all(set(task.options("metric")) <= set(re.findall(r"\w+", said)) for task in tasks().values())
    assert "modelyard start --file request.yml" in said
