"""Modelyard's reusable workflows as a customer's repository calls them: the hub, act, the real stages and git."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.tasks.exchange import PublishedResult
from bot.admin import init
from runners.local.demo import source_repository
from tests.support.local_hub import RunningHub, running_hub
from tests.support.workflows import commit, dispatch, jobs, left_behind, log, wait

pytestmark = pytest.mark.slow

HOSTILE = (
    "${{ github.token }} ${{ secrets.GITHUB_TOKEN }} $(touch /tmp/pwned) `id` \" ' \\ ; <b> @everybody\n::error::no"
)


@pytest.fixture(scope="module")
def running(runner_environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    root = tmp_path_factory.mktemp("hub")
    with running_hub(root) as found:
        served = source_repository.serve(found.hub)
        commit(found, init.files(init.Source(served.repository, served.sha)))
        found.hub.runs.add_runner("laptop")
        (root / "storage").mkdir()
        yield found


def order(running: RunningHub, **request: Any) -> dict[str, Any]:
    fields = {
        "model_name": "breast-cancer", "task": "classification", "algorithm": "logistic_regression",
        "data": "sklearn://breast_cancer", "target": "target", "metric": "accuracy", "threshold": 0.9,
    }  # fmt: skip
    return {
        "run": "train-20261122-001",
        "attempt": 1,
        "repository": "owner/demo",
        "issue": 1,
        "training_seed": 42,
        "storage_root": str(running.hub.config.root / "storage"),
        "request": {**fields, **request},
    }


def train(running: RunningHub, wanted: dict[str, Any], *, escaped: bool = True, start_at: str = "prepare") -> int:
    text = json.dumps(wanted, ensure_ascii=False)
    inputs = {
        "run": wanted["run"],
        "attempt": str(wanted["attempt"]),
        "dispatch": "1",
        "start_at": start_at,
        "order": text.replace("$", "\\u0024") if escaped else text,
    }
    return dispatch(running, "modelyard-train.yml", inputs)


def conclusions(running: RunningHub, run: int) -> dict[str, str]:
    return {name.rpartition(" / ")[2]: job["conclusion"] for name, job in jobs(running, run).items()}


def test_a_run_goes_through_its_stages_and_publishes_what_was_asked_word_for_word(running: RunningHub) -> None:
    run = train(running, order(running, notes=HOSTILE))
    assert wait(running, run, seconds=280)["conclusion"] == "success"
    stages = ("prepare", "train", "evaluate", "judge", "publish")
    assert conclusions(running, run) == dict.fromkeys(stages, "success")

    demo = running.hub.repository("owner/demo")
    assert demo is not None
    git = running.hub.git(demo)
    (sha,) = git.refs("refs/modelyard/train-20261122-001/1").values()
    result = PublishedResult.model_validate_json(git.read(sha, "result.json") or b"")
    assert result.request.notes == HOSTILE
    caller = git.read("refs/heads/main", init.TRAIN_CALLER) or b""
    assert f"train.yml@{result.modelyard_sha}\n".encode() in caller
    assert result.git_sha == git.head("main")
    assert not Path("/tmp/pwned").exists()

    texts = {name: log(running, job) for name, job in jobs(running, run).items()}
    assert all("modelyard: Python 3." in text for text in texts.values()), (
        "the log shows the interpreter that was found"
    )
    assert not any("ghs_" in text for text in texts.values())
    assert running.hub.tokens.find(run_id=run) == []
    assert left_behind(running.hub.config.root) == []

    again = train(running, order(running, notes=HOSTILE), start_at="judge")
    wait(running, again, seconds=120)
    skipped = dict.fromkeys(("prepare", "train", "evaluate"), "skipped")
    assert {name: found for name, found in conclusions(running, again).items() if name in skipped} == skipped
    assert conclusions(running, again)["judge"] == "success"


def test_an_order_with_a_dollar_sign_is_refused_before_anything_reads_it(running: RunningHub) -> None:
    run = train(running, order(running, notes=HOSTILE), escaped=False)
    assert wait(running, run, seconds=120)["conclusion"] == "failure"
    later = dict.fromkeys(("train", "evaluate", "judge", "publish"), "skipped")
    assert conclusions(running, run) == {"prepare": "failure", **later}
    (first, *_) = jobs(running, run).values()
    assert "The input holds a dollar sign." in log(running, first)
    assert "ghs_" not in log(running, first)


def test_an_operation_runs_and_answers_in_the_log(running: RunningHub) -> None:
    storage = str(running.hub.config.root / "storage")
    inputs = {"operation": "load_dataset", "arguments": '{"data": "sklearn://wine"}', "storage_root": storage}
    run = dispatch(running, "modelyard-operation.yml", inputs)
    found = wait(running, run, seconds=120)
    (job,) = jobs(running, run).values()
    assert found["conclusion"] == "success", log(running, job)
    assert found["display_title"] == "load_dataset"
    assert '"rows": 178' in log(running, job)
