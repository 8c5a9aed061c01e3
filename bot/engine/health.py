"""What is stuck or failing in this process, for ``/readyz``."""

from __future__ import annotations

import shutil
from pathlib import Path

from bot.engine.looks import Looks

MIN_FREE_BYTES = 64 * 1024**2
"""With less than this, the database's next write may fail."""


class Health:
    """The looks at files that are under way, and the parts whose latest work failed."""

    def __init__(self) -> None:
        self.looks = Looks()
        self._failing: dict[str, str] = {}

    def note(self, part: str, error: BaseException | None) -> None:
        """Note that a part failed, or that it works (again)."""
        if error is None:
            self._failing.pop(part, None)
        else:
            self._failing[part] = type(error).__name__

    def failing(self) -> str | None:
        """Return how many parts failed in their latest work. Their names are in the log: everybody can see ``/readyz``."""
        errors = sorted(set(self._failing.copy().values()))
        return f"{len(self._failing)} failing: {', '.join(errors)}" if errors else None

    def stuck(self) -> str | None:
        """Return how long the oldest look at a file has been waiting, once it is overdue."""
        oldest = self.looks.oldest()
        return f"no answer for {oldest:.0f} s" if oldest > self.looks.seconds else None


def free_bytes(folder: Path) -> int:
    """Return the free bytes where a folder is, or will be created."""
    present = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(present).free
