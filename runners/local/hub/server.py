"""Serves a hub on loopback with uvicorn: in the foreground, or in a thread of the program that uses it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runners.local.hub.app import serve
from runners.local.hub.faults import FaultyAnswers

if TYPE_CHECKING:
    import uvicorn

    from runners.local.hub.hub import Hub

HOST = "127.0.0.1"
START_LIMIT = 20.0


def bind(port: int = 0) -> tuple[socket.socket, str]:
    """Bind a loopback port (0: any free one); return the socket and the hub's base URL."""
    # The protocol is named because asyncio disables Nagle only on sockets known to be TCP.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError:
        listening.close()
        raise
    return listening, f"http://{HOST}:{listening.getsockname()[1]}"


def server(hub: Hub) -> uvicorn.Server:
    """Return the server of a hub, not yet running."""
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            FaultyAnswers(serve(hub), hub),
            log_level="warning",
            access_log=False,
            lifespan="on",
            ws="none",
            loop="asyncio",  # the faults know its sockets
            timeout_graceful_shutdown=1,
        )
    )


@contextmanager
def serving(hub: Hub, listening: socket.socket) -> Iterator[None]:
    """Serve in a thread for the duration of the block."""
    running = server(hub)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, name="hub", daemon=True)
    thread.start()
    limit = time.monotonic() + START_LIMIT
    while not running.started and thread.is_alive() and time.monotonic() < limit:
        time.sleep(0.005)
    if not running.started:
        raise RuntimeError("the hub did not start")
    try:
        yield
    finally:
        running.should_exit = True
        thread.join()
