"""A user uses the hub as a person does: its pages, and REST."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from runners.local.demo.hub_user import HubUser, HubUserError
from tests.support.hub_pages import TRAIN
from tests.support.local_hub import RunningHub, running_hub
from tests.support.repositories import repository
from tests.support.scripted_runs import Script, ScriptedExecutor

WORKFLOW = """
name: Work
on: workflow_dispatch
jobs:
  prepare: {runs-on: self-hosted, steps: [run: echo]}
  train: {runs-on: self-hosted, needs: prepare, steps: [run: echo]}
"""
FIELDS = {"model_name": "wine", "algorithm": "xgboost", "hyperparameters": "", "notes": "- [ ] a *note*"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    folder = tmp_path_factory.mktemp("hub")
    files = {".github/ISSUE_TEMPLATE/train.yml": TRAIN, ".github/workflows/work.yml": WORKFLOW}
    with running_hub(folder / "state", import_from=repository(folder / "source", **files)) as running:
        yield running


@pytest.fixture
def writer(hub: RunningHub) -> Iterator[HubUser]:
    user = HubUser(hub.url, "writer", hub.ready.tokens["writer"], "owner/demo")
    yield user
    user.close()


def test_an_issue_is_opened_through_the_form_in_the_visitor_s_name(hub: RunningHub, writer: HubUser) -> None:
    hub.person("owner").post("/repos/owner/demo/labels", json={"name": "mlops:train"}).raise_for_status()
    address = writer.open_issue("train.yml", "Train: wine", FIELDS)
    number = int(address.removeprefix(f"{hub.url}/owner/demo/issues/"))
    issue = hub.person("reader").get(f"/repos/owner/demo/issues/{number}").json()
    assert issue["user"]["login"] == "writer"
    assert issue["title"] == "Train: wine"
    assert "### Model name\n\nwine" in issue["body"]
    assert "### Notes\n\n- [ ] a *note*" in issue["body"]

    writer.comment(number, "/status")
    seen = writer.look(number)
    assert seen.state == "open"
    assert seen.labels == {"mlops:train"}
    assert seen.comments == ("/status",)


def test_no_proxy_stands_between_a_user_and_the_hub(hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    user = HubUser(hub.url, "writer", hub.ready.tokens["writer"], "owner/demo")
    number = int(user.open_issue("train.yml", "Train: wine", FIELDS).rpartition("/")[2])
    assert user.look(number).state == "open"
    user.close()


def test_what_the_form_does_not_take_is_told_with_its_reason(writer: HubUser) -> None:
    with pytest.raises(HubUserError, match=r"The form was refused: .+") as refused:
        writer.open_issue("train.yml", "Train", {**FIELDS, "algorithm": "abacus"})
    assert "status" not in str(refused.value)
    with pytest.raises(HubUserError, match=r"shows no form gone\.yml"):
        writer.open_issue("gone.yml", "Train", FIELDS)


def test_what_the_visitor_may_not_do_is_an_error(hub: RunningHub) -> None:
    stranger = HubUser(hub.url, "outsider", "wrong", "owner/demo")
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        stranger.comment(1, "/approve")
    stranger.close()


def test_jobs_are_seen_with_their_step_and_their_time(hub: RunningHub, writer: HubUser, tmp_path: Path) -> None:
    number = int(writer.open_issue("train.yml", "Train", FIELDS).rpartition("/")[2])
    executor = ScriptedExecutor(train=Script(hang=True))
    hub.hub.runs.executor = executor
    hub.hub.runs.add_runner("runner-1")
    path = "/repos/owner/demo/actions/workflows/work.yml/dispatches"
    hub.person("writer").post(path, json={"ref": "main"}).raise_for_status()
    assert executor.hanging.wait(20)

    prepare, train = writer.look(number).jobs
    assert (prepare.name, prepare.status, prepare.conclusion, prepare.step) == ("prepare", "completed", "success", "")
    assert (train.name, train.status, train.conclusion, train.step) == ("train", "in_progress", None, "Train")
    assert train.run == prepare.run
    assert 0 <= prepare.seconds <= train.seconds + 60
    hub.person("writer").post(f"/repos/owner/demo/actions/runs/{train.run}/cancel").raise_for_status()
