"""Notices that a training must end: its job was cancelled, or its runner is shutting down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from actions.errors import Interrupted

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

IsInterrupted = Callable[[], bool]


@contextmanager
def until_interrupted() -> Iterator[IsInterrupted]:
    """Yield a function that tells whether SIGTERM or SIGINT has arrived since the block began.

    The first signal only sets that answer; a second one has its usual effect. Only the main thread can receive signals: in any
    other thread the answer is always no.
    """
    arrived = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield arrived.is_set
        return
    # None: a handler that Python did not set, and cannot set again.
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in _SIGNALS}

    def receive(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the signature that Python calls
        arrived.set()
        signal.signal(number, before[signal.Signals(number)])

    try:
        for number in _SIGNALS:
            signal.signal(number, receive)
        yield arrived.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupted(done: int, total: int | None, step: str, *, kept: bool) -> Interrupted:
    """Return the error of a training that was interrupted after so many rounds."""
    so_far = f"{step} {done}" + (f" of {total}" if total else "")
    return Interrupted(
        "training_interrupted",
        rule="The training was interrupted (SIGTERM or SIGINT).",
        found=f"it ended after {so_far}.",
        next_step="Start it again with the same destination: it resumes from the checkpoint."
        if kept
        else "Start it again from the beginning; it kept no checkpoint.",
    )
