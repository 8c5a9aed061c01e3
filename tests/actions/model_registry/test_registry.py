"""The registry's operations, on a real repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from actions.context import Context, Reader
from actions.errors import InvalidInput, NotAllowed, NotFound, OperationError, Unavailable
from actions.history_management.local import LocalHistory
from actions.model_registry import model_file
from actions.operation import find_operation
from actions.storage.folder import Storage, sha256_of, write_atomically
from tests.support.repositories import commits, git, repository

PATH = "training_history/models/wine.yaml"


class PresentFiles:
    """A history without a past: what the hub's gateway gives."""

    def __init__(self, history: LocalHistory) -> None:
        self._history = history

    def read(self, path: str) -> bytes | None:
        return self._history.read(path)

    def list(self, folder: str) -> list[str]:
        return self._history.list(folder)

    def commit(self, message: str, change: Any) -> str:
        return self._history.commit(message, change)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a repository in which version 1 was champion in 2020 and version 2 in 2021; since then it is 3."""
    folder = repository(tmp_path / "project")
    text: str | None = None
    (folder / PATH).parent.mkdir(parents=True)
    for number, year in ((1, 2020), (2, 2021), (3, 2022)):
        text, _ = model_file.register(
            text, name="wine", run=f"train-20261122-{number:03}", attempt=1, uri=f"{number}.skops",
            sha256=f"{number:064}", created=f"{year}-01-01T00:00:00Z",
        )  # fmt: skip
        text = model_file.set_alias(text, "champion", number)
        (folder / PATH).write_text(text, encoding="utf-8")
        git(folder, "add", PATH)
        git(folder, "commit", "-q", "-m", "Promote", GIT_COMMITTER_DATE=f"{year}-06-01T12:00:00Z")
    return folder


def call(folder: Path, operation: str, /, **arguments: Any) -> Any:
    context = Context(storage=Storage(folder), history=LocalHistory.at(folder))
    return find_operation(operation).call(arguments, context)


def a_file(folder: Path) -> str:
    """Put a model file into a folder; return its SHA-256."""
    write_atomically(folder / "model.skops", "a model")
    return sha256_of(folder / "model.skops")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"sha256": "0" * 64}, "digest_mismatch"),
        ({"uri": "gone/model.skops"}, "model_not_found"),
        ({"uri": "../model.skops"}, "outside_storage"),
    ],
)
def test_only_a_file_with_the_given_digest_is_registered(project: Path, given: dict[str, str], reason: str) -> None:
    right = {"name": "wine", "run": "train-20261122-004", "attempt": 2, "uri": "4/model.skops"}
    before = commits(project)
    with pytest.raises(OperationError) as refused:
        call(project, "register_model", **{**right, "sha256": a_file(project / "4"), **given})
    assert refused.value.problem.reason == reason
    assert commits(project) == before


@pytest.mark.parametrize("signature", ['{"task": "regression"}', "[]", None])
def test_a_model_of_another_task_is_not_registered_under_the_name(project: Path, signature: str | None) -> None:
    def register(number: int, task: str | None) -> None:
        folder = project / str(number)
        if task is not None:
            write_atomically(folder / "model.json", task)
        given = {"run": f"train-20261122-{number:03}", "uri": f"{number}/model.skops", "sha256": a_file(folder)}
        call(project, "register_model", name="wine", attempt=1, **given)

    register(4, '{"task": "classification"}')
    before = commits(project)
    with pytest.raises(InvalidInput) as refused:
        register(5, signature)
    assert refused.value.problem.reason == "task_differs"
    assert commits(project) == before
    register(6, '{"task": "classification"}')


def test_the_files_of_a_registered_model_are_never_written_again(project: Path) -> None:
    sha256 = a_file(project / "4")
    call(
        project, "register_model", name="wine", run="train-20261122-004", attempt=2, uri="4/model.skops", sha256=sha256
    )
    with pytest.raises(NotAllowed) as refused:
        a_file(project / "4")
    assert refused.value.problem.reason == "registered_file"
    assert a_file(project / "5") == sha256


def test_a_registration_is_one_commit_and_the_same_again_is_none(project: Path) -> None:
    new: Mapping[str, Any] = {
        "name": "wine", "run": "train-20261122-004", "attempt": 2, "uri": "4/model.skops", "sha256": a_file(project / "4"),
    }  # fmt: skip
    before = commits(project)
    first = call(project, "register_model", **new)
    assert (first.version, first.aliases) == (4, ["candidate"])
    assert call(project, "register_model", **new) == first
    assert commits(project) == before + 1


def test_a_version_is_found_by_number_by_alias_and_by_default_as_champion(project: Path) -> None:
    assert call(project, "get_model_version", name="wine").version == 3
    assert call(project, "get_model_version", name="wine", version="previous").version == 2
    assert call(project, "get_model_version", name="wine", version=1).uri == "1.skops"


@pytest.mark.parametrize(
    ("day", "version"), [("2020-06-01", 1), ("2020-12-31", 1), ("2021-07-01", 2), ("2024-01-01", 3)]
)
def test_what_was_in_production_on_a_day_is_answered_from_git(project: Path, day: str, version: int) -> None:
    assert call(project, "get_model_version", name="wine", on_date=day).version == version


def test_a_day_before_the_first_commit_or_after_today_has_no_answer(project: Path) -> None:
    with pytest.raises(NotFound) as before:
        call(project, "get_model_version", name="wine", on_date="2019-01-01")
    assert before.value.problem.reason == "no_history_then"
    with pytest.raises(InvalidInput) as after:
        call(project, "get_model_version", name="wine", on_date="9999-01-01")
    assert after.value.problem.reason == "date_in_the_future"


def test_a_history_without_a_past_says_where_to_ask(project: Path) -> None:
    context = Context(storage=Storage(project), history=PresentFiles(LocalHistory.at(project)))
    with pytest.raises(Unavailable) as error:
        find_operation("get_model_version").call({"name": "wine", "on_date": "2020-06-01"}, context)
    assert error.value.problem.reason == "history_undated"


def test_versions_are_listed_newest_first_in_pages(project: Path) -> None:
    page = call(project, "list_model_versions", name="wine", limit=2)
    assert ([one.version for one in page.versions], page.total) == ([3, 2], 3)
    assert page.versions[0].aliases == ["candidate", "champion"]
    rest = call(project, "list_model_versions", name="wine", limit=2, offset=2)
    assert [one.version for one in rest.versions] == [1]


def test_an_alias_moves_and_its_former_version_is_told(project: Path) -> None:
    change = call(project, "set_model_alias", name="wine", alias="champion", version=1)
    assert (change.before, change.version) == (3, 1)
    assert change.commit == git(project, "rev-parse", "HEAD")
    assert call(project, "get_model_version", name="wine", version="previous").version == 3


def test_a_roll_back_goes_to_the_version_before_or_to_that_of_a_day(project: Path) -> None:
    change = call(project, "rollback_model", name="wine")
    assert (change.before, change.version) == (3, 2)
    change = call(project, "rollback_model", name="wine", on_date="2020-07-01")
    assert (change.before, change.version) == (2, 1)
    assert git(project, "log", "-1", "--format=%s") == "Roll wine back [skip ci]"


def test_what_cannot_be_done_leaves_the_repository_alone(project: Path) -> None:
    before = commits(project)
    with pytest.raises(NotFound) as missing:
        call(project, "set_model_alias", name="wine", alias="champion", version=9)
    assert missing.value.problem.reason == "version_not_found"
    with pytest.raises(NotFound) as unknown:
        call(project, "rollback_model", name="beer")
    assert unknown.value.problem.reason == "model_not_found"
    assert commits(project) == before


def test_a_file_that_a_pull_request_broke_is_refused_with_the_place(project: Path) -> None:
    def spoil(read: Reader) -> dict[str, bytes | None]:
        return {PATH: (read(PATH) or b"").replace(b"champion: 3", b"champion: 9")}

    LocalHistory.at(project).commit("Spoil", spoil)
    with pytest.raises(InvalidInput) as error:
        call(project, "get_model_version", name="wine")
    assert error.value.problem.reason == "invalid_model_file"
    assert "alias champion refers to version 9" in error.value.problem.rule
