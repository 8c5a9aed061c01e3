"""Reads every line that a process writes to a pipe, including the last ones before it ends."""

from __future__ import annotations

import os
import selectors
import subprocess
from collections import deque

CHUNK = 64 * 1024


class Output:
    """The output lines of a process, read with a time limit.

    Parameters
    ----------
    process
        A process whose standard output is a pipe with no other reader.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is None:
            raise ValueError("the process has no pipe to read from")
        self._process = process
        self._pipe = process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe, selectors.EVENT_READ)
        self._lines: deque[str] = deque()
        self._begun = b""
        """The part of an unfinished line read so far."""
        self._over = False

    def next(self, seconds: float) -> str | None:
        """Return the next line; "" if none came in time, None at the end."""
        if not self._lines and not self._over:
            self._read(seconds)
        if self._lines:
            return self._lines.popleft()
        return None if self._over else ""

    def close(self) -> None:
        """Stop reading."""
        self._selector.close()
        self._pipe.close()

    def _read(self, seconds: float) -> None:
        # A process that outlived this one may hold the other end of the pipe: then no end comes. But once the process
        # has ended, all that it wrote is there to be read at once.
        ended = self._process.poll() is not None
        if self._selector.select(0 if ended else seconds):
            chunk = os.read(self._pipe.fileno(), CHUNK)
            self._over = not chunk
            *whole, self._begun = (self._begun + chunk).split(b"\n")
            self._lines.extend(line.decode("utf-8", "replace") + "\n" for line in whole)
        else:
            self._over = ended
        if self._over and self._begun:
            self._lines.append(self._begun.decode("utf-8", "replace"))
            self._begun = b""
