"""A local branch is changed by commits that lose nobody's work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actions.context import Reader
from actions.errors import Conflict, NotFound, Unavailable
from actions.history_management.local import LocalHistory
from tests.support.repositories import commits, git, repository

NOTE = "training_history/note.txt"


def adding(line: str) -> Callable[[Reader], dict[str, bytes | None]]:
    def change(read: Reader) -> dict[str, bytes | None]:
        return {NOTE: (read(NOTE) or b"") + f"{line}\n".encode()}

    return change


def test_a_commit_changes_branch_index_and_files_together(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project")
    history = LocalHistory.at(folder)
    sha = history.commit("Add a note", adding("one"))
    assert git(folder, "rev-parse", "main") == sha
    assert (folder / NOTE).read_text(encoding="utf-8") == "one\n"
    assert git(folder, "status", "--porcelain") == ""
    assert history.read(NOTE) == b"one\n"
    assert history.list("training_history") == [NOTE]


@pytest.mark.parametrize("place", ["training_history", NOTE])
def test_a_commit_replaces_no_link_that_is_in_the_place_of_its_folder_or_file(tmp_path: Path, place: str) -> None:
    folder = repository(tmp_path / "project")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).symlink_to("elsewhere")
    git(folder, "add", place)
    git(folder, "commit", "-m", "Link")
    head = git(folder, "rev-parse", "main")

    with pytest.raises(Conflict) as caught:
        LocalHistory.at(folder).commit("Add a note", adding("one"))

    assert caught.value.problem.reason == "history_path_taken"
    assert git(folder, "rev-parse", "main") == head
    assert (folder / place).is_symlink()


@pytest.mark.parametrize("scope", ["user", "repository"])
def test_a_commit_in_a_checkout_runs_no_hook_and_has_the_user_s_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    folder = repository(tmp_path / "project")
    hook = tmp_path / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    programs = f"[core]\n\thooksPath = {hook.parent}\n\tfsmonitor = {hook}\n[commit]\n\tgpgsign = true\n"
    settings = f"{programs}[user]\n\tname = Ada\n\temail = ada@example.org\n"
    place = tmp_path / ".gitconfig" if scope == "user" else folder / ".git" / "config"
    with place.open("a", encoding="utf-8") as file:
        file.write(settings)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{who}_NAME", raising=False)
        monkeypatch.delenv(f"GIT_{who}_EMAIL", raising=False)

    sha = LocalHistory.at(folder).commit("Add a note", adding("one"))
    assert git(folder, "log", "-1", "--format=%H %an %G?") == f"{sha} Ada N"
    assert (folder / NOTE).read_text(encoding="utf-8") == "one\n"


def test_a_subfolder_finds_the_repository_around_it(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project", **{"src/a.py": ""})
    assert LocalHistory.at(folder / "src").read("src/a.py") == b""


def test_nothing_is_committed_if_nothing_changes(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project")
    history = LocalHistory.at(folder)
    first = history.commit("Add", lambda _: {NOTE: b"same"})
    assert history.commit("Add again", lambda _: {NOTE: b"same"}) == first
    assert commits(folder) == 2


def test_a_file_is_removed_by_none(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project", **{"old.txt": "x"})
    LocalHistory.at(folder).commit("Remove", lambda _: {"old.txt": None})
    assert not (folder / "old.txt").exists()
    assert git(folder, "ls-files") == "README.md"


def test_local_changes_elsewhere_stay_as_they_are(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project")
    (folder / "README.md").write_text("Edited.\n", encoding="utf-8")
    (folder / "staged.txt").write_text("staged\n", encoding="utf-8")
    git(folder, "add", "staged.txt")
    LocalHistory.at(folder).commit("Add a note", adding("one"))
    assert (folder / "README.md").read_text(encoding="utf-8") == "Edited.\n"
    assert git(folder, "status", "--porcelain").splitlines() == ["M README.md", "A  staged.txt"]


@pytest.mark.parametrize("tracked", [True, False])
def test_a_file_with_local_changes_is_not_overwritten(tmp_path: Path, tracked: bool) -> None:
    files = {NOTE: "committed\n"} if tracked else {}
    folder = repository(tmp_path / "project", **files)
    (folder / NOTE).parent.mkdir(exist_ok=True)
    (folder / NOTE).write_text("mine\n", encoding="utf-8")
    with pytest.raises(Conflict) as error:
        LocalHistory.at(folder).commit("Add a note", adding("one"))
    assert error.value.problem.reason == "local_changes"
    assert NOTE in error.value.problem.found
    assert (folder / NOTE).read_text(encoding="utf-8") == "mine\n"
    assert commits(folder) == 1


def test_commits_at_the_same_moment_are_all_kept(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: LocalHistory.at(folder).commit("Add", adding(str(number))), range(8)))
    kept = LocalHistory.at(folder).read(NOTE)
    assert kept is not None
    assert sorted(kept.decode().split()) == [str(number) for number in range(8)]
    assert git(folder, "status", "--porcelain") == ""


def test_a_commit_is_recomputed_if_the_branch_moved(tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository(tmp_path / "project")), str(bare))
    other, seen = LocalHistory.at(bare), list[bytes | None]()

    def change(read: Reader) -> dict[str, bytes | None]:
        seen.append(read(NOTE))
        if len(seen) == 1:
            meanwhile = git(bare, "commit-tree", "-p", "main", "-m", "Meanwhile", git(bare, "rev-parse", "main^{tree}"))
            git(bare, "update-ref", "refs/heads/main", meanwhile)
        return {NOTE: b"late\n"}

    other.commit("Late", change)
    assert len(seen) == 2
    assert git(bare, "log", "--format=%s", "main").splitlines() == ["Late", "Meanwhile", "Begin"]


def test_the_first_commit_of_a_repository_can_be_made(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    LocalHistory.at(tmp_path).commit("Begin", adding("one"))
    assert (tmp_path / NOTE).read_text(encoding="utf-8") == "one\n"
    assert git(tmp_path, "status", "--porcelain") == ""


def test_the_past_can_be_read(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project")
    for day in (1, 3):
        (folder / "day.txt").write_text(str(day), encoding="utf-8")
        git(folder, "add", "day.txt")
        git(folder, "commit", "-q", "-m", "Day", GIT_COMMITTER_DATE=f"2040-11-0{day}T12:00:00Z")
    history = LocalHistory.at(folder)
    assert history.read_on("day.txt", datetime(2040, 11, 2, tzinfo=UTC)) == b"1"
    with pytest.raises(NotFound) as error:
        history.read_on("day.txt", datetime(2001, 1, 1, tzinfo=UTC))
    assert error.value.problem.reason == "no_history_then"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", ".git/config", "a/.GIT/hooks", "a//b", "", "a\0b", "./a"])
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, path: str) -> None:
    history = LocalHistory.at(repository(tmp_path / "project"))
    with pytest.raises(ValueError, match="not the path of a file"):
        history.commit("Bad", lambda _: {path: b"x"})


def test_a_detached_head_and_a_folder_without_git_are_named(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project")
    git(folder, "checkout", "--quiet", "--detach")
    with pytest.raises(Unavailable) as error:
        LocalHistory.at(folder)
    assert error.value.problem.reason == "no_branch"
    with pytest.raises(Unavailable) as error:
        LocalHistory.at(tmp_path)
    assert error.value.problem.reason == "no_git_repository"
    assert LocalHistory.find(tmp_path / "nowhere") is None
