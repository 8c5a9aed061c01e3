"""Files of the storage root are replaced completely or not at all, and no URI leads outside."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from actions.errors import NotAllowed
from actions.storage.folder import (
    Storage,
    make_write_once,
    open_storage,
    registered_file,
    replacing,
    send_files_below,
    sha256_of,
    write_atomically,
)


class _Interrupted(BaseException):
    """Not an Exception, like KeyboardInterrupt and SystemExit."""


@pytest.mark.parametrize("error", [RuntimeError, _Interrupted])
def test_a_write_that_fails_or_is_interrupted_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise error

    with pytest.raises(error):
        write_half()
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text(encoding="utf-8") == "old"


def test_a_write_whose_file_vanishes_reports_what_went_wrong_first(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "a.json") as temporary:
            temporary.unlink()
            raise _Interrupted

    with pytest.raises(_Interrupted):
        write()


def test_nothing_is_written_beside_a_registered_file_except_what_is_in_the_bucket_already(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    write_atomically(path, "model")
    make_write_once(path)
    make_write_once(path)
    for name in ("model.skops", "other.json"):
        with pytest.raises(NotAllowed) as refused:
            write_atomically(tmp_path / name, "forged")
        assert refused.value.problem.reason == "registered_file"
    with replacing(path, sent=True) as temporary:
        temporary.write_text("the bucket's", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "the bucket's"


def test_the_refusal_to_write_again_names_run_and_attempt() -> None:
    refusal = registered_file(Path("/data/owner/demo/models/train-20261122-001/2/model.skops"))
    assert refusal.problem.found == "model.skops in models/train-20261122-001/2/."


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "folder" / "a.json"
    synced: list[tuple[int, bool]] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append((os.fstat(handle).st_size, path.exists())))
    write_atomically(path, "{}")
    assert synced == [(2, False)]


def test_writing_leaves_no_file_open(tmp_path: Path) -> None:
    before = len([*Path("/dev/fd").iterdir()])
    write_atomically(tmp_path / "a.json", "{}")
    assert len([*Path("/dev/fd").iterdir()]) == before


def test_a_file_can_be_read_by_the_other_users_that_share_the_root(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "new" / "a.json", "{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "a.json").stat().st_mode) == 0o644


def test_a_file_is_written_beside_its_place_with_the_same_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.parquet") as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".parquet")
        temporary.write_bytes(b"x")
    assert (tmp_path / "a.parquet").read_bytes() == b"x"


@pytest.mark.parametrize("content", ["ä\n", "ä\n".encode()])
def test_text_is_written_as_utf_8(tmp_path: Path, content: bytes | str) -> None:
    write_atomically(tmp_path / "a.txt", content)
    assert (tmp_path / "a.txt").read_bytes() == "ä\n".encode()
    assert sha256_of(tmp_path / "a.txt") == hashlib.sha256("ä\n".encode()).hexdigest()


def test_a_file_is_sent_before_it_takes_its_place_unless_it_was_sent_already(tmp_path: Path) -> None:
    sent: list[tuple[str, bool]] = []
    folder = tmp_path / "copy"
    send_files_below(folder, lambda written, path: sent.append((written.read_text(encoding="utf-8"), path.exists())))
    write_atomically(folder / "a.txt", "a")
    write_atomically(tmp_path / "b.txt", "b")
    with replacing(folder / "c.txt", sent=True) as temporary:
        temporary.write_text("c", encoding="utf-8")
    assert sent == [("a", False)]


@pytest.mark.parametrize("uri", ["../x", "a/../../x", "/x", "s3://bucket/x", "file://host/x", "a\x00b", "link/x"])
def test_a_uri_that_leads_outside_the_root_is_refused(tmp_path: Path, uri: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="root"):
        Storage(root).path(uri)


def test_a_uri_names_a_file_below_the_root_and_back(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    path = storage.path("owner/demo/models/x.skops")
    assert path == tmp_path / "owner/demo/models/x.skops"
    assert storage.uri(path) == "owner/demo/models/x.skops"
    folder = storage.folder("owner/demo", "models", "train-20261122-001", 2)
    assert storage.uri(folder) == "owner/demo/models/train-20261122-001/2"
    assert not folder.exists()
