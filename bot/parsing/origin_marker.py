"""Issues that the App opens itself, for a request that came by another door than the form.

Their first line is a hidden marker. It holds a digest of what the request is known by, so that none is opened twice, and
who asked; it is signed, since whoever may write to a repository may edit the App's issues (pure).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal

Door = Literal["dispatch", "schedule"]

_LINE = re.compile(
    r"<!-- modelyard:asked:(?P<door>dispatch|schedule):(?P<key>[0-9a-f]{32}):(?P<by>[A-Za-z0-9_-]{1,64}):(?P<sign>[0-9a-f]{32}) -->"
)
_NOBODY = "-"


@dataclass(frozen=True)
class Origin:
    """Where a request came from.

    Attributes
    ----------
    door
        ``dispatch`` (a ``repository_dispatch``) or ``schedule``.
    key
        What it is known by: the same key again is the same request. A digest, see ``digest``.
    by
        The person who asked; empty for a schedule.
    """

    door: Door
    key: str
    by: str = ""

    @property
    def sought(self) -> str:
        """How the marker of the same request begins, whoever asked."""
        return f"asked:{self.door}:{self.key}:"

    def marker(self, repository: str, secret: bytes) -> str:
        """Return the hidden marker of the issue."""
        by = self.by or _NOBODY
        return f"{self.sought}{by}:{_signature(repository, self.door, self.key, by, secret)}"


def digest(*parts: str) -> str:
    """Return what stands for a key in a marker: people choose keys, and a marker takes few characters."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def read_origin(body: str, repository: str, secret: bytes) -> Origin | None:
    """Return what the first line of an issue's body says of its origin; None where the App did not write that."""
    found = _LINE.fullmatch(body.split("\n", 1)[0].rstrip())
    if found is None:
        return None
    door: Door = "dispatch" if found["door"] == "dispatch" else "schedule"
    if not hmac.compare_digest(found["sign"], _signature(repository, door, found["key"], found["by"], secret)):
        return None
    return Origin(door, found["key"], "" if found["by"] == _NOBODY else found["by"])


def _signature(repository: str, door: str, key: str, by: str, secret: bytes) -> str:
    own = hmac.digest(secret, b"modelyard issue origin", "sha256")
    return hmac.new(own, f"{repository}\n{door}\n{key}\n{by}".encode(), hashlib.sha256).hexdigest()[:32]
