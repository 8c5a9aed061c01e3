"""Tries whether tests notice a fault, each time in a fork of a process that has already imported the libraries."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_OPTIONS = [
    "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly", "-m", "not slow and not gpu and not layer",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # plugins have been imported before pytest starts
]  # fmt: skip
MIN_TIMEOUT = 20.0


class Trial:
    """The tests closest to a module, which must succeed as long as the module has no fault.

    Parameters
    ----------
    module
        The module's path in the present folder, which must be a copy that nobody else uses.
    tests
        Arguments for pytest.
    """

    def __init__(self, module: Path, tests: Sequence[str]) -> None:
        self._module, self._tests = module, tests
        with tempfile.NamedTemporaryFile("r", encoding="utf-8") as imported:
            self._require_success(Path(imported.name))
            for name in imported.read().split():
                with suppress(Exception):  # it cannot be imported by itself, so each fork imports it
                    importlib.import_module(name)
        started = time.monotonic()
        self._require_success()
        self._timeout = max(MIN_TIMEOUT, 5 * (time.monotonic() - started))

    def _require_success(self, imported: Path | None = None) -> None:
        if self._run(600, imported) != 0:
            raise SystemExit(f"{self._module}: its tests must succeed without a fault: pytest {' '.join(self._tests)}")

    def notices(self, source: str) -> bool:
        """Tell whether the tests fail, or do not end, with another source of the module."""
        with self._replaced(source):
            return self._run(self._timeout) != 0

    @contextmanager
    def _replaced(self, source: str) -> Iterator[None]:
        before, times = self._module.read_bytes(), self._module.stat()
        self._module.write_text(source, encoding="utf-8")
        try:
            yield
        finally:
            self._module.write_bytes(before)
            os.utime(self._module, ns=(times.st_atime_ns, times.st_mtime_ns))

    def _run(self, seconds: float, imported: Path | None = None) -> int:
        """Return pytest's exit status; a negative one if the process was killed, or exceeded its time."""
        child = os.fork()
        if child == 0:
            os.setsid()
            sys.dont_write_bytecode = imported is None  # a mutant's bytecode must not be taken for the module's
            os._exit(self._pytest(imported))
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return -signal.SIGKILL

    def _pytest(self, imported: Path | None) -> int:
        import pytest

        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        status = int(pytest.main([*_OPTIONS, *self._tests]))
        if imported is not None:
            imported.write_text("\n".join(_libraries()), encoding="utf-8")
        return status


def _libraries() -> list[str]:
    """Return the modules that are installed rather than ours, in the order of their import."""
    folders = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), sysconfig.get_path("stdlib"))
    return [
        name for name, module in sys.modules.items() if (getattr(module, "__file__", None) or "").startswith(folders)
    ]
