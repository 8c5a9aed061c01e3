"""Several files are changed together or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.admin.file_changes import Change, write_all


def change(folder: Path, name: str, after: str) -> Change:
    path = folder / name
    return Change(name, path, path.read_bytes() if path.is_file() else None, after.encode())


def everything(folder: Path) -> dict[str, str | None]:
    """Return every file with its content, and every folder with none."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8") if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_all_files_are_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("1", encoding="utf-8")
    (tmp_path / "old").chmod(0o755)
    write_all([change(tmp_path, "old", "2"), change(tmp_path, "a/b/new", "3")])
    assert everything(tmp_path) == {"a": None, "a/b": None, "a/b/new": "3", "old": "2"}
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "a/b/new").stat().st_mode & 0o777 == 0o644


def test_if_a_file_cannot_be_created_nothing_has_changed(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("1", encoding="utf-8")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    before = everything(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        write_all([change(tmp_path, "old", "2"), change(tmp_path, "a/b/new", "3"), change(tmp_path, "file/c", "4")])
    assert everything(tmp_path) == before


def test_if_the_last_rename_fails_the_earlier_ones_are_undone(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("1", encoding="utf-8")
    wanted = [change(tmp_path, "old", "2"), change(tmp_path, "a/new", "3"), change(tmp_path, "taken", "4")]
    (tmp_path / "taken").mkdir()  # somebody made a folder there after it was looked at
    (tmp_path / "taken" / "x").touch()
    before = everything(tmp_path)
    with pytest.raises(OSError, match="directory"):
        write_all(wanted)
    assert everything(tmp_path) == before
    assert os.listdir(tmp_path / "taken") == ["x"]  # noqa: PTH208 - hidden ones too


def test_a_long_diff_is_cut_and_says_so(tmp_path: Path) -> None:
    diff = change(tmp_path, "new", "line\n" * 5_000).diff()
    assert diff.count("\n") == 2_001
    assert diff.endswith("more lines\n")
