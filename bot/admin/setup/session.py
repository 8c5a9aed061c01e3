"""Who may use ``/setup``, and which response of GitHub belongs to which request (no I/O, but randomness).

The terminal shows a token. The first browser that presents it gets a session cookie, and the token expires. A state is sent
to GitHub with the manifest and returns with the code; it is valid once, for an hour, in that session only.
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
    """Compare two texts in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


@dataclass(frozen=True)
class _Sent:
    state: str
    choices: Choices
    until: float


class Session:
    """The only session of a setup.

    Parameters
    ----------
    clock
        Returns seconds on a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._token: str | None = secrets.token_urlsafe(32)
        self._cookie = secrets.token_urlsafe(32)
        self._sent: _Sent | None = None

    @property
    def token(self) -> str:
        """The token that the terminal shows; empty once it has been used."""
        return self._token or ""

    @property
    def form_token(self) -> str:
        """A token in each form, which other sites cannot know."""
        return hashlib.sha256(f"form {self._cookie}".encode()).hexdigest()

    def enter(self, token: str) -> str | None:
        """Return the session cookie for the token, once."""
        if self._token is None or not same(token, self._token):
            return None
        self._token = None
        return self._cookie

    def knows(self, cookie: str) -> bool:
        """Return whether a request belongs to the session."""
        return self._token is None and same(cookie, self._cookie)

    def send(self, choices: Choices) -> str:
        """Return a state for a manifest that is sent to GitHub now; an earlier state becomes invalid."""
        self._sent = _Sent(secrets.token_urlsafe(32), choices, self._clock() + HOUR)
        return self._sent.state

    def came_back(self, state: str) -> Choices | None:
        """Return the choices that were sent with a state; None if it is wrong, used or expired."""
        sent = self._sent
        if sent is None or not same(state, sent.state):
            return None
        self._sent = None
        return sent.choices if self._clock() <= sent.until else None
