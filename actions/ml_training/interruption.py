"""Hears that a training is to end: a cancelled job, a runner that is taken away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from actions.errors import Interrupted

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

Told = Callable[[], bool]


@contextmanager
def told_to_stop() -> Iterator[Told]:
    """Give a function that tells whether the process was told to end (SIGTERM, SIGINT) while the block lasts.

    The first signal waits for whoever asks; a second one does what it would have done without this. Only the main thread
    can hear signals: in any other one, nobody is ever told.
    """
    told = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield told.is_set
        return
    # None: a handler that Python did not set, and cannot set again.
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in _SIGNALS}

    def hear(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # the signature that Python calls
        told.set()
        signal.signal(number, before[signal.Signals(number)])

    try:
        for number in _SIGNALS:
            signal.signal(number, hear)
        yield told.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupted(done: int, total: int | None, what: str, *, kept: bool) -> Interrupted:
    """Return the error of a training that was told to end after so many rounds."""
    so_far = f"{what} {done}" + (f" of {total}" if total else "")
    return Interrupted(
        "training_interrupted",
        rule="A training goes on until it is done; one that is told to end (SIGTERM, SIGINT) ends at once.",
        found=f"it was told so after {so_far}.",
        next_step="Start it again with the same destination: it goes on from the checkpoint."
        if kept
        else "Start it again; it keeps no checkpoint.",
    )
