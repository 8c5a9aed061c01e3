"""Files that a job may have put into the storage: only regular ones are read, without following links or waiting."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from actions.storage.untrusted import open_untrusted, read_untrusted


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path must be short
        try:
            listening.bind(path.name)
        finally:
            os.chdir(here)


def a_link(path: Path) -> None:
    (path.parent.parent / "secret").write_bytes(b"secret")
    path.symlink_to(path.parent.parent / "secret")


ODD: dict[str, Callable[[Path], None]] = {
    "FIFO": os.mkfifo,
    "socket": a_socket,
    "link": a_link,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path),
    "folder": Path.mkdir,
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("kind", ODD)
def test_only_a_regular_file_is_read(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    ODD[kind](root / "file")
    assert read_untrusted(root, "file", 100) is None


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EMFILE], ids=errno.errorcode.get)
def test_a_storage_that_fails_for_a_moment_is_not_taken_for_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("actions.storage.untrusted.os.open", fail)
    with pytest.raises(OSError, match=os.strerror(code)):
        read_untrusted(tmp_path, "file", 100)


def test_a_device_is_not_read() -> None:
    assert read_untrusted(Path("/dev"), "zero", 100) is None


def test_no_folder_on_the_way_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "of-another" / "run").mkdir(parents=True)
    (tmp_path / "of-another" / "run" / "file").write_bytes(b"x")
    (tmp_path / "mine").symlink_to(tmp_path / "of-another")
    assert read_untrusted(tmp_path, "of-another/run/file", 100) == b"x"
    assert read_untrusted(tmp_path, "mine/run/file", 100) is None


@pytest.mark.parametrize("uri", ["", ".", "..", "a/../../etc/passwd", "/etc/passwd", "a\0b"])
def test_a_path_stays_below_its_root(tmp_path: Path, uri: str) -> None:
    with pytest.raises(OSError), open_untrusted(tmp_path, uri):
        pass


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert read_untrusted(tmp_path, "file", 100) == b"x" * 100
    assert read_untrusted(tmp_path, "file", 99) is None


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for uri in ("file", "missing/file", "file/file"):
        read_untrusted(tmp_path, uri, 100)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
