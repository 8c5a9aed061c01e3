"""Runs `modelyard demo` as a person does: a process in a folder, in a pipe or at a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEMO = ("-m", "bot.cli", "demo")
PATIENCE = 150.0
COLUMNS = 100
_CONTROL = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\].*?(\x07|\x1b\\))|\r")


@dataclass(frozen=True)
class Told:
    """What a demo said, and how it ended."""

    code: int
    text: str


HOSTILE_GITCONFIG = ROOT / "tests" / "data" / "hostile.gitconfig"


def environment(**changes: str) -> dict[str, str]:
    """Return what a demo is started with: a hostile git configuration, and a proxy that reaches nothing.

    Its jobs find their environment where the tests' one is.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    environments = os.environ.get("MODELYARD_ENVIRONMENTS") or str(ROOT / ".modelyard" / "environments")
    told = {
        "PYTHONPATH": str(ROOT),
        "MODELYARD_ENVIRONMENTS": environments,
        "GIT_CONFIG_GLOBAL": str(HOSTILE_GITCONFIG),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMNS),
    }
    return kept | told | changes


def demo(folder: Path, *options: str, code: str = "", **variables: str) -> Told:
    """Run a demo to its end in a folder; ``code`` is run instead of the command, with the options as ``sys.argv``."""
    command = [sys.executable, *(("-c", code) if code else DEMO), *options]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        return Told(code=process.wait(PATIENCE), text=process.communicate()[0])
    except subprocess.TimeoutExpired:
        process.terminate()
        log = folder / ".modelyard" / "demo" / "app.log"
        ending = log.read_text(encoding="utf-8")[-3_000:] if log.exists() else ""
        return Told(code=124, text=f"{process.communicate(timeout=30)[0]}\nIt came to no end. The App's log:\n{ending}")


def demo_once(base: Path, *options: str) -> tuple[Path, Told]:
    """Run a demo that all test processes share; return its folder and what it said.

    Parameters
    ----------
    base
        A folder of the present test process, in one that belongs to all of them.
    """
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, told = shared / "a demo", shared / "told.json"
    with (shared / "demo.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            folder.mkdir()
            told.write_text(json.dumps(asdict(demo(folder, *options))), encoding="utf-8")
    return folder, Told(**json.loads(told.read_text(encoding="utf-8")))


class Terminal:
    """A demo at a terminal, with somebody who reads and types."""

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        self._mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, *DEMO, *options],
            cwd=folder,
            env=environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""
        """Everything that was written so far, without what moves the cursor."""
        self._rest = ""
        self._read_so_far = 0

    def read_until(self, words: str) -> None:
        """Read until the words have been written, after those that were waited for before."""
        end = time.monotonic() + PATIENCE
        while (found := self.text.find(words, self._read_so_far)) < 0:
            assert time.monotonic() < end, f"never said {words!r}:\n{self.text[-3_000:]}"
            assert self._read(0.5), f"ended without saying {words!r}:\n{self.text[-3_000:]}"
        self._read_so_far = found + len(words)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._mine, f"{line}\n".encode())

    def end(self) -> int:
        """Read to the end; return the exit code."""
        while self._read(0.5):
            pass
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        """End what has not ended."""
        if self._process.poll() is None:
            self._process.terminate()
            self.end()
        os.close(self._mine)

    def _read(self, seconds: float) -> bool:
        """Read what there is; False at the end."""
        if not select.select([self._mine], [], [], seconds)[0]:
            return True
        try:
            chunk = os.read(self._mine, 65_536)
        except OSError:  # Linux: nobody holds the other side any more.
            return False
        written = self._rest + chunk.decode("utf-8", "replace")
        cut = written.rfind("\x1b")
        if cut < 0 or _CONTROL.match(written, cut):  # Else it goes on in what comes next.
            cut = len(written)
        self.text += _CONTROL.sub("", written[:cut])
        self._rest = written[cut:]
        return bool(chunk)


@contextlib.contextmanager
def terminal(folder: Path, *options: str) -> Iterator[Terminal]:
    """Start a demo at a terminal."""
    found = Terminal(folder, options)
    try:
        yield found
    finally:
        found.close()
