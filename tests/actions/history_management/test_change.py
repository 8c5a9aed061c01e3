"""What one run changes under training_history/, as a pure function of the present files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actions.history_management.change import history_change
from actions.model_registry import model_file
from tests.support.records import RUN, record, result

MODEL = "training_history/models/breast-cancer.yaml"
TOKEN = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"


def files_of(what: Any, present: dict[str, bytes | None] | None = None) -> dict[str, bytes]:
    changed = history_change(what).files((present or {}).get)
    return {path: content for path, content in changed.items() if content is not None}


def test_a_secret_is_in_no_file_of_the_history() -> None:
    error = {"stage": "train", "log_tail": f"with {TOKEN}"}
    files = files_of(record(status="failed", result=None, why=f"with {TOKEN}", error=error))
    assert [path for path, content in files.items() if TOKEN.encode() in content] == []
    lineage = json.loads(files[f"training_history/{RUN}.json"])
    assert (lineage["why"], lineage["error"]["log_tail"]) == ("with ***", "with ***")


@pytest.mark.parametrize("name", ["ok.png/../../x", "ok.png\n", "x ok.png", "-ok.png", "x" * 101 + ".png", "ok_png"])
def test_only_a_plain_file_name_becomes_a_path(name: str) -> None:
    assert history_change(record(result=result(plots=["ok.png", name]))).plots == {
        "ok.png": f"training_history/{RUN}/ok.png"
    }


def test_a_passed_run_becomes_the_next_version_and_champion_if_it_was_promoted() -> None:
    first = files_of(record(promoted=True))
    other = record("train-20261122-002", promoted=False)
    second = files_of(other, dict(first))
    assert model_file.parse(first[MODEL]).aliases == {"candidate": 1, "champion": 1}
    assert model_file.parse(second[MODEL]).aliases == {"candidate": 2, "champion": 1}
    assert json.loads(second["training_history/train-20261122-002.json"])["version"] == 2


@pytest.mark.parametrize("changes", [{"status": "rejected"}, {"result": None}])
def test_a_run_that_did_not_pass_changes_no_registry_and_has_no_version(changes: dict[str, Any]) -> None:
    files = files_of(record(promoted=True, version=7, **changes))
    assert MODEL not in files
    lineage = json.loads(files[f"training_history/{RUN}.json"])
    assert (lineage["version"], lineage["promoted"]) == (None, False)


def test_the_version_says_where_the_artifact_is_and_what_it_was_made_from() -> None:
    version = model_file.parse(files_of(record())[MODEL]).versions[0]
    assert (version.run, version.attempt, version.algorithm) == (RUN, 1, "xgboost")
    assert (version.uri, version.sha256) == (f"owner/project/models/{RUN}/1/model.skops", "d" * 64)
    assert (version.data_sha256, version.created) == ("c" * 64, "2026-11-22T10:02:05Z")


def test_the_commit_names_the_run_and_its_issue_and_starts_no_workflow() -> None:
    assert history_change(record(links={})).message == f"{RUN}: breast-cancer passed [skip ci]\n\nIssue: 1\n"
