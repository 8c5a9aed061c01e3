"""The hidden first line of an issue that the App opens for a request from another source than the form (pure).

It contains a digest of the request's key, so that no request opens two issues, and the requester. It is signed, because
anybody with write access to a repository can edit the App's issues.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from actions.contracts.person import Person
from bot.github.issues import MARKER_START

TriggerSource = Literal["dispatch", "schedule"]
KEY_LIFETIME = timedelta(days=30)
"""How long a key identifies a request: issues that have not been updated since are not searched."""

_LINE = re.compile(
    MARKER_START
    + r"asked:(?P<source>dispatch|schedule):(?P<key>[0-9a-f]{32}):(?P<requester>(?P<login>[A-Za-z0-9_-]{1,64})/(?P<id>[0-9]{1,19})):(?P<signature>[0-9a-f]{32}) -->"
)
_NO_REQUESTER = "-/0"


@dataclass(frozen=True)
class Origin:
    """Where a request came from.

    Attributes
    ----------
    source
        ``dispatch`` (a ``repository_dispatch``) or ``schedule``.
    key
        The digest that identifies the request.
    requester
        The person who requested it; None for a schedule.
    """

    source: TriggerSource
    key: str
    requester: Person | None = None

    @property
    def prefix(self) -> str:
        """The start of the request's marker, without the requester."""
        return f"asked:{self.source}:{self.key}:"

    def marker(self, repository: str, secret: bytes) -> str:
        """Return the hidden marker of the issue."""
        person = self.requester
        requester = f"{person.login}/{person.id}" if person is not None else _NO_REQUESTER
        return f"{self.prefix}{requester}:{_signature(repository, self.source, self.key, requester, secret)}"


def digest(*parts: str) -> str:
    """Return the digest of a key: people choose keys freely, and a marker takes few characters."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def read_origin(body: str, repository: str, secret: bytes) -> Origin | None:
    """Return the origin in the first line of an issue's body, or None if the App did not write one."""
    match = _LINE.fullmatch(body.split("\n", 1)[0].rstrip())
    if match is None:
        return None
    source: TriggerSource = "dispatch" if match["source"] == "dispatch" else "schedule"
    key, requester = match["key"], match["requester"]
    if not hmac.compare_digest(match["signature"], _signature(repository, source, key, requester, secret)):
        return None
    person = None if requester == _NO_REQUESTER else Person(login=match["login"], id=int(match["id"]))
    return Origin(source, key, person)


def _signature(repository: str, source: str, key: str, requester: str, secret: bytes) -> str:
    own = hmac.digest(secret, b"modelyard issue origin", "sha256")
    return hmac.new(own, f"{repository}\n{source}\n{key}\n{requester}".encode(), hashlib.sha256).hexdigest()[:32]
