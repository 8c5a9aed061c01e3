"""Opening files below the storage root that somebody else may have put there: a training job, or its data."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC

_PASSING = {
    errno.EAGAIN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EINTR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
    errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT,
}  # fmt: skip


@contextmanager
def open_untrusted(root: Path, uri: str) -> Iterator[BinaryIO]:
    """Open a regular file below a root. No link below the root is followed, and nothing is waited for.

    Raises
    ------
    OSError
        There is no such file, or it is a link, FIFO, socket, device or folder, or a folder on the way to it is a link.
    """
    parts = PurePosixPath(uri).parts
    if not parts or PurePosixPath(uri).is_absolute() or ".." in parts or "\0" in uri:
        raise OSError(errno.EINVAL, "not a path below the storage root", uri)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for number, part in enumerate(parts, start=1):
            below = os.open(part, _FILE if number == len(parts) else _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", uri)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_untrusted(root: Path, uri: str, max_bytes: int) -> bytes | None:
    """Read such a file; return None if it cannot be opened or is too large.

    Raises
    ------
    OSError
        The storage or this process fails in a way that may pass, which says nothing about the file.
    """
    content = part_of_untrusted(root, uri, 0, max_bytes + 1)
    return content if content is not None and len(content) <= max_bytes else None


def part_of_untrusted(root: Path, uri: str, start: int, max_bytes: int) -> bytes | None:
    """Read at most so many bytes of such a file from a position; return None if it cannot be opened.

    Raises
    ------
    OSError
        As ``read_untrusted``.
    """
    try:
        with open_untrusted(root, uri) as file:
            file.seek(start)
            return file.read(max_bytes)
    except OSError as error:
        if error.errno in _PASSING:
            raise
        return None
