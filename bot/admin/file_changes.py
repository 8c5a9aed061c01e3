"""Several files changed together: what would change as a diff, then all of it or nothing."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

Outcome = Literal["written", "replaced", "unchanged", "kept"]
# What a terminal would obey rather than show: all control characters but tab and line feed, and direction overrides.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LONGEST_DIFF = 2_000


@dataclass(frozen=True)
class Change:
    """One file: its path in the repository, where that is, what is there (None: nothing) and what is to be."""

    name: str
    path: Path
    before: bytes | None
    after: bytes

    @property
    def outcome(self) -> Outcome:
        """Say what writing it does."""
        if self.before is None:
            return "written"
        return "unchanged" if self.before == self.after else "replaced"

    def diff(self) -> str:
        """Return the change as a unified diff that is safe to print; empty where there is none."""
        old, new = ((text or b"").decode("utf-8", "replace").split("\n") for text in (self.before, self.after))
        source = f"a/{self.name}" if self.before is not None else "/dev/null"
        lines = list(difflib.unified_diff(old, new, source, f"b/{self.name}", lineterm=""))
        if len(lines) > _LONGEST_DIFF:
            lines[_LONGEST_DIFF:] = [f"... {len(lines) - _LONGEST_DIFF} lines more"]
        return "".join(f"{shown(line)}\n" for line in lines)


def shown(text: str) -> str:
    """Return a text with what a terminal would obey written out."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text.removesuffix("\r"))


def write_all(changes: Sequence[Change]) -> None:
    """Make all changes, or none: files are written beside their place, then renamed; what was renamed is put back.

    Raises
    ------
    OSError
        Where a file cannot be written; everything is then as it was.
    """
    with contextlib.ExitStack() as undo:
        ready = []
        for change in changes:
            for folder in _make_folders(change.path.parent):
                undo.callback(_quietly, folder.rmdir)
            handle, name = tempfile.mkstemp(dir=change.path.parent, prefix=f".{change.path.name}.")
            temporary = Path(name)
            undo.callback(_quietly, temporary.unlink)
            with os.fdopen(handle, "wb") as file:
                file.write(change.after)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(change.path.stat().st_mode & 0o777 if change.before is not None else 0o644)
            ready.append((change, temporary))
        for change, temporary in ready:
            temporary.replace(change.path)
            undo.callback(_quietly, partial(_put_back, change))
        undo.pop_all()


def _make_folders(folder: Path) -> Iterator[Path]:
    """Make a folder and those above it; yield each that was not there."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir()
        yield each


def _quietly(call: Callable[[], object]) -> None:
    """Call something; where that fails, whatever made us undo matters more."""
    with contextlib.suppress(OSError):
        call()


def _put_back(change: Change) -> None:
    if change.before is None:
        change.path.unlink()
    else:
        change.path.write_bytes(change.before)
