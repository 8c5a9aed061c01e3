"""What an operation receives from its caller: storage, the history branch, the hub, channels and progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from actions.errors import Unavailable
from actions.storage.folder import Storage

if TYPE_CHECKING:
    from actions.contracts.channels import Channels


class Reader(Protocol):
    """Returns the content of a file on the history branch, or None if there is no such file."""

    def __call__(self, path: str, /) -> bytes | None: ...


class History(Protocol):
    """One repository's history branch, as operations see it."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file at the branch's head, or None if there is no such file."""

    def list(self, folder: str) -> list[str]:
        """Return the sorted paths of the files directly in a folder; [] if there is no such folder."""

    def commit(self, message: str, change: Callable[[Reader], Mapping[str, bytes | None]]) -> str:
        """Commit the files that ``change`` computes from the current ones, and return the commit's SHA.

        ``change`` maps paths to new contents, where None removes the file. It must be a pure function of what it reads,
        because it is called again if the branch has moved. If nothing changes, the head's SHA is returned.
        """


class Issues(Protocol):
    """The part of the hub that light operations need to work on issues."""

    def post_comment(self, repository: str, issue: int, body: str, marker: str) -> str:
        """Create the comment that carries ``marker``, or update it; return its URL."""


class Report(Protocol):
    """Receives the progress of long work: ``done`` of ``total``, if both are known."""

    def __call__(
        self, step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
    ) -> None: ...


def _discard(
    step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class Context:
    """Everything that an operation may use besides its arguments; each entry point builds its own."""

    storage: Storage
    history: History | None = None
    issues: Issues | None = None
    report: Report = _discard
    data_roots: tuple[str, ...] = ()
    channels: Channels | None = None

    def require_history(self) -> History:
        """Return the history branch, or raise Unavailable (``history_unavailable``)."""
        if self.history is None:
            raise Unavailable(
                "history_unavailable",
                rule="This operation must have access to training_history/ in a git repository.",
                found="no repository.",
                next_step="Run it inside a git checkout, or pass one with --repository.",
            )
        return self.history

    def require_issues(self) -> Issues:
        """Return the hub's issues, or raise Unavailable (``hub_unavailable``)."""
        if self.issues is None:
            raise Unavailable(
                "hub_unavailable",
                rule="This operation must have access to GitHub.",
                found="no credentials.",
                next_step="Set MODELYARD_APP_ID and MODELYARD_PRIVATE_KEY_PATH, or MODELYARD_GITHUB_TOKEN.",
            )
        return self.issues
