"""uvicorn's fast HTTP protocol, with the limits on a request's head that it lacks."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""The limit of uvicorn's other protocol."""
HEAD_SECONDS = 10.0
"""Time-out for receiving a head, counted from the connection or, later, from the head's first byte."""
MAX_UNFINISHED_HEADS = 128
"""For all connections together. At one more, the client with the most of them loses its oldest."""

_TURNS = itertools.count()


class BoundedHead(HttpToolsProtocol):
    """Answers 400 and closes the connection if the request line and the headers are too long or arrive too slowly."""

    _head = 0
    """Bytes of an unfinished head. Bytes that arrive together with the end of the previous request are not counted."""
    _is_head = True
    head_timer: asyncio.TimerHandle | None = None
    """Runs while a head is unfinished."""
    turn = 0
    """Which of the process's heads this is: a clock may be too coarse to tell which of two is older."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._is_head:
            self._head += len(data)
            if self.head_timer is None:
                self._await_head()
        super().data_received(data)
        if self._is_head and self._head > MAX_HEAD_BYTES:
            self.send_400_response("The request's head is too large.")

    def on_headers_complete(self) -> None:
        self._is_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_head, self._head = True, 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self.turn = next(_TURNS)
        self.head_timer = self.loop.call_later(HEAD_SECONDS, self.give_up)
        if len(self.connections) > MAX_UNFINISHED_HEADS:
            self._make_room()

    def _stop_waiting(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def give_up(self) -> None:
        """Close the connection."""
        self._stop_waiting()
        self.send_400_response("The request's head took too long.")

    def _make_room(self) -> None:
        """Close the oldest unfinished connection of the client that has the most, so that nobody can use up all of them."""
        waiting = [
            connection
            for connection in self.connections
            if isinstance(connection, BoundedHead) and connection.head_timer is not None
        ]
        if len(waiting) > MAX_UNFINISHED_HEADS:
            busiest, _ = Counter(connection.peer for connection in waiting).most_common(1)[0]
            oldest = min(
                (connection for connection in waiting if connection.peer == busiest),
                key=lambda connection: connection.turn,
            )
            oldest.give_up()

    @property
    def peer(self) -> str:
        """The client's address."""
        return self.client[0] if self.client else ""
