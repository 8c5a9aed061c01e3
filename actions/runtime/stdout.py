"""Keeps stdout for the result: anything else that is printed, by Python or by C libraries, goes to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def result_stream() -> Iterator[TextIO]:
    """Redirect stdout to stderr for the duration; yield a stream that still writes to the real stdout."""
    sys.stdout.flush()
    try:
        saved = os.dup(1)
    except OSError:
        # Without file descriptor 1 there is nothing to redirect.
        yield sys.stdout
        return
    python_stdout = sys.stdout
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        # A test or an embedding program may have replaced sys.stdout with an object that has no file. It wants the result.
        if _is_process_stdout(python_stdout):
            with os.fdopen(os.dup(saved), "w", encoding="utf-8") as stdout:
                yield stdout
        else:
            yield python_stdout
    finally:
        sys.stdout.flush()
        sys.stdout = python_stdout
        os.dup2(saved, 1)
        os.close(saved)


def _is_process_stdout(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (OSError, ValueError, AttributeError):
        return False
