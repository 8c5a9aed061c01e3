"""The base of a repository's parts: its name, its URLs and its connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from bot.github.identity import Identity

if TYPE_CHECKING:
    from bot.github.connection import Connection

Sleep = Callable[[float], Awaitable[None]]


def segment(value: str | int) -> str:
    """Return one segment of a path, with all special characters quoted."""
    return quote(str(value), safe="")


def several(path: str) -> str:
    """Return a path of several segments, such as a file's or a ref's, with each segment quoted."""
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"not a plain path: {path!r}")
    return "/".join(segment(part) for part in parts)


class Part:
    """One repository, accessed through one installation of the App."""

    def __init__(
        self,
        name: str,
        *,
        connect: Callable[[], Awaitable[Connection]],
        who: Callable[[], Awaitable[Identity]],
        sleep: Sleep,
    ) -> None:
        owner, _, repository = name.partition("/")
        self.name = name
        self._root = f"repos/{segment(owner)}/{segment(repository)}"
        self._connect = connect
        self._who = who
        self._sleep = sleep

    async def who(self) -> Identity:
        """Return the identity of the App here."""
        return await self._who()

    async def spare(self) -> int:
        """Return how many writes could be sent now without waiting; unimportant ones give way when it is low."""
        return (await self._connect()).writes.spare()
