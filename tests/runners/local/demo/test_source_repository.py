"""Modelyard's source as the local hub serves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.local.demo import source_repository
from tests.support.repositories import git, repository


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    path = tmp_path / "bare.git"
    path.mkdir()
    git(path, "init", "--quiet", "--bare", "--initial-branch=main")
    return path


def served(bare: Path, sha: str) -> dict[str, str]:
    paths = git(bare, "ls-tree", "-r", "--name-only", sha).splitlines()
    return {path: git(bare, "show", f"{sha}:{path}") for path in paths}


def test_a_clean_checkout_is_served_under_its_own_commit(tmp_path: Path, bare: Path) -> None:
    root = repository(tmp_path / "root", **{"actions/code.py": "one"})
    found = source_repository.snapshot(bare, root)
    assert found.sha == found.head == git(root, "rev-parse", "HEAD")
    assert not found.dirty
    assert served(bare, found.sha) == {"README.md": "A project.", "actions/code.py": "one"}


def test_a_changed_checkout_is_served_as_a_snapshot_on_top_and_stays_as_it_is(tmp_path: Path, bare: Path) -> None:
    root = repository(tmp_path / "root", **{"a.py": "one", "gone.py": "x", ".gitignore": "secret\n"})
    (root / "a.py").write_text("two", encoding="utf-8")
    (root / "gone.py").unlink()
    (root / "new name.py").write_text("three", encoding="utf-8")
    (root / "secret").write_text("never", encoding="utf-8")
    before = git(root, "status", "--porcelain"), git(root, "count-objects")
    found = source_repository.snapshot(bare, root)
    assert found.changed == ("a.py", "gone.py", "new name.py")
    assert found.sha != found.head
    assert git(bare, "rev-parse", f"{found.sha}^") == found.head
    assert served(bare, found.sha) == {
        ".gitignore": "secret", "README.md": "A project.", "a.py": "two", "new name.py": "three",
    }  # fmt: skip
    assert (git(root, "status", "--porcelain"), git(root, "count-objects")) == before


def test_the_same_files_make_the_same_snapshot(tmp_path: Path, bare: Path) -> None:
    root = repository(tmp_path / "root")
    (root / "new.py").write_text("x", encoding="utf-8")
    assert source_repository.snapshot(bare, root) == source_repository.snapshot(bare, root)


def test_staged_changes_are_served_as_they_are_on_disk(tmp_path: Path, bare: Path) -> None:
    root = repository(tmp_path / "root", **{"a.py": "one"})
    (root / "a.py").write_text("staged", encoding="utf-8")
    git(root, "add", "a.py")
    (root / "a.py").write_text("on disk", encoding="utf-8")
    assert served(bare, source_repository.snapshot(bare, root).sha)["a.py"] == "on disk"


def test_what_is_staged_and_not_committed_is_served_whole(tmp_path: Path, bare: Path) -> None:
    root = repository(tmp_path / "root", **{"a.py": "one"})
    (root / "a.py").write_text("staged", encoding="utf-8")
    (root / "b.py").write_text("staged, too", encoding="utf-8")
    git(root, "add", "--all")
    found = source_repository.snapshot(bare, root)
    assert served(bare, found.sha)["b.py"] == "staged, too"
    git(bare, "update-ref", "refs/heads/main", found.sha)
    git(tmp_path, "clone", "--quiet", f"file://{bare}", "again")
    assert (tmp_path / "again" / "a.py").read_text(encoding="utf-8") == "staged"


def test_a_shallow_clone_can_be_served_and_cloned_again(tmp_path: Path, bare: Path) -> None:
    root = repository(tmp_path / "root")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "Second")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{root}", str(shallow))
    (shallow / "new.py").write_text("x", encoding="utf-8")
    found = source_repository.snapshot(bare, shallow)
    git(bare, "update-ref", "refs/heads/main", found.sha)
    git(tmp_path, "clone", "--quiet", str(bare), "again")
    assert (tmp_path / "again" / "new.py").read_text(encoding="utf-8") == "x"


def test_a_folder_that_is_no_checkout_is_refused_with_the_reason(tmp_path: Path, bare: Path) -> None:
    with pytest.raises(source_repository.SourceError, match="must be a git checkout"):
        source_repository.snapshot(bare, tmp_path)
