"""Changes several files together: shows the changes as a diff, then makes all of them or none."""

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

from actions.text.invisible import INVISIBLE

Outcome = Literal["written", "replaced", "unchanged", "kept"]
_UNSAFE = re.compile(f"[{INVISIBLE}\u2028\u2029]")
"""What would control a terminal, or hide from whoever reads the diff there."""
_MAX_DIFF_LINES = 2_000


@dataclass(frozen=True)
class Change:
    """One file: its path in the repository, its location, its current content (None: no file) and its new content."""

    name: str
    path: Path
    before: bytes | None
    after: bytes

    @property
    def outcome(self) -> Outcome:
        """What writing the file does."""
        if self.before is None:
            return "written"
        return "unchanged" if self.before == self.after else "replaced"

    def diff(self) -> str:
        """Return the change as a unified diff that is safe to print; empty if there is none."""
        old, new = ((text or b"").decode("utf-8", "replace").split("\n") for text in (self.before, self.after))
        source = f"a/{self.name}" if self.before is not None else "/dev/null"
        lines = list(difflib.unified_diff(old, new, source, f"b/{self.name}", lineterm=""))
        if len(lines) > _MAX_DIFF_LINES:
            lines[_MAX_DIFF_LINES:] = [f"... {len(lines) - _MAX_DIFF_LINES} more lines"]
        return "".join(f"{shown(line)}\n" for line in lines)


def shown(text: str) -> str:
    """Return a text with its control characters escaped."""
    return _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], text.removesuffix("\r"))


def write_all(changes: Sequence[Change]) -> None:
    """Make all changes or none: files are written next to their place, then renamed; on failure everything is restored.

    Raises
    ------
    OSError
        If a file cannot be written; nothing has changed then.
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
            undo.callback(_quietly, partial(_restore, change))
        undo.pop_all()


def _make_folders(folder: Path) -> Iterator[Path]:
    """Create a folder and its parents; yield each new one."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for parent in reversed(missing):
        parent.mkdir()
        yield parent


def _quietly(call: Callable[[], object]) -> None:
    """Call a function and ignore its failure: the error that caused the undo matters more."""
    with contextlib.suppress(OSError):
        call()


def _restore(change: Change) -> None:
    if change.before is None:
        change.path.unlink()
    else:
        change.path.write_bytes(change.before)
