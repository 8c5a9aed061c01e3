"""The storage root: where the stages of a run find each other's files, and which data a request may name.

Files are in ``<root>/<owner>/<repo>/{datasets,processed,models,evaluations}/<run>/<attempt>/``. A URI is the POSIX path
of a file relative to the root. The root may also be in S3 (``actions.storage.s3``); files are then read and written
through a local copy.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from actions.errors import NotAllowed

Area = Literal["datasets", "processed", "models", "evaluations"]


@dataclass(frozen=True)
class Storage:
    """A deployment's storage root: a folder that the App and its runners share."""

    root: Path

    def path(self, uri: str) -> Path:
        """Return the file that a URI under the root names.

        Raises
        ------
        ValueError
            The URI is absolute, has a scheme, or leads outside the root (``..`` or a symbolic link).
        """
        if "://" in uri or PurePosixPath(uri).is_absolute() or "\x00" in uri:
            raise ValueError(f"not a path under the storage root: {uri!r}")
        return contained(self.root / uri, self.root)

    def uri(self, path: Path) -> str:
        """Return the URI of a file under the root."""
        return path.resolve().relative_to(self.root.resolve()).as_posix()

    def folder(self, repository: str, area: Area, run: str, attempt: int) -> Path:
        """Return the folder of one attempt, without creating it."""
        return self.path(f"{repository}/{area}/{run}/{attempt}")


def contained(path: Path, root: Path) -> Path:
    """Return the resolved path if it is inside ``root``, or else raise ValueError."""
    resolved = path.resolve()
    if not resolved.is_relative_to(root.resolve()):
        raise ValueError(f"leads outside {root}: {path}")
    return resolved


def open_storage(root: str) -> Storage:
    """Return the storage at a root: a folder's path, or ``s3://bucket/prefix``."""
    if not root.lower().startswith("s3://"):
        return Storage(Path(root))
    from actions.storage.s3 import s3_storage

    return s3_storage(root)


REGISTERED_FILE = ".registered"
"""Marks a folder with a registered model: nothing in it is written again."""


def make_write_once(path: Path) -> None:
    """Keep every operation and stage from writing into the folder of a registered file again."""
    marker = path.parent / REGISTERED_FILE
    if not marker.exists():
        write_atomically(marker, "")


def registered_file(path: Path) -> NotAllowed:
    """Return the error for a file in the folder of a registered model."""
    return NotAllowed(
        "registered_file",
        rule="The files of a registered model must not be written again.",
        found=f"{path.name} in {'/'.join(path.parts[-4:-1])}/.",
        next_step="Choose another destination.",
        field="destination",
    )


_SENDERS: dict[Path, Callable[[Path, Path], None]] = {}


def send_files_below(folder: Path, send: Callable[[Path, Path], None]) -> None:
    """Register a function that uploads each file written below a folder, before the file takes its place there.

    Registered here rather than called by each writer, so that no operation can forget it: a file that exists only in
    the local copy of a bucket is lost.
    """
    _SENDERS[folder] = send


@contextmanager
def replacing(path: Path, *, sent: bool = False) -> Iterator[Path]:
    """Yield a temporary path next to ``path`` to write to; it replaces ``path`` on success and is removed on error.

    Parameters
    ----------
    path
        The file to replace; its folder is created if necessary.
    sent
        Whether the content is already in the bucket, so that it need not be uploaded.

    Raises
    ------
    NotAllowed
        ``registered_file``.
    """
    if not sent and (path.parent / REGISTERED_FILE).exists():
        raise registered_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        for folder, send in _SENDERS.items():
            if not sent and path.is_relative_to(folder):
                send(temporary, path)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace a file with ``content`` (text as UTF-8), completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
