"""Who may use ``/setup``, and which answer of GitHub belongs to which request (no I/O but randomness).

The terminal shows a token. Whoever brings it first gets a session, a cookie; the token is worth nothing after that. A state
goes to GitHub with the manifest and comes back with the code: it is good once, for an hour, in that session alone.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.admin.setup.form import Choices

HOUR = 3_600.0


def same(one: str, other: str) -> bool:
    """Compare two texts in a time that tells nothing about them."""
    return hmac.compare_digest(one.encode(), other.encode())


@dataclass(frozen=True)
class _Sent:
    state: str
    choices: Choices
    until: float


class Session:
    """The one session of a set-up.

    Parameters
    ----------
    clock
        Says how late it is, in seconds; never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._token: str | None = secrets.token_urlsafe(32)
        self._cookie = secrets.token_urlsafe(32)
        self._sent: _Sent | None = None

    @property
    def token(self) -> str:
        """What the terminal shows; empty once it was used."""
        return self._token or ""

    @property
    def form_token(self) -> str:
        """What each form has to carry: another site cannot know it."""
        return hashlib.sha256(f"form {self._cookie}".encode()).hexdigest()

    def enter(self, token: str) -> str | None:
        """Return the cookie of whoever brings the token, once."""
        if self._token is None or not same(token, self._token):
            return None
        self._token = None
        return self._cookie

    def knows(self, cookie: str) -> bool:
        """Tell whether a request is the session's."""
        return self._token is None and same(cookie, self._cookie)

    def send(self, choices: Choices) -> str:
        """Return a state for a manifest that goes to GitHub now; one that was given out before is worth nothing more."""
        self._sent = _Sent(secrets.token_urlsafe(32), choices, self._clock() + HOUR)
        return self._sent.state

    def came_back(self, state: str) -> Choices | None:
        """Return what was chosen when this state was sent; None where it is wrong, used or too old."""
        sent = self._sent
        if sent is None or not same(state, sent.state):
            return None
        self._sent = None
        return sent.choices if self._clock() <= sent.until else None
