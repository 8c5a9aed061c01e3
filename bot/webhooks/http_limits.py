"""uvicorn's fast HTTP protocol, with the limits on unfinished requests that it lacks."""

from __future__ import annotations

import asyncio
import itertools
import resource
from collections import Counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""The limit of uvicorn's other protocol."""
HEAD_SECONDS = 10.0
"""Time-out for receiving a head, counted from the connection or, later, from the head's first byte."""
MAX_UNFINISHED = min(4_096, max(32, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
"""Connections with an unfinished head or body: half of the files that the process may open. At one more, the client with
the most of them loses its oldest."""

_TURNS = itertools.count()


class BoundedRequests(HttpToolsProtocol):
    """Answers 400 and closes the connection if a request's head is too long or too slow, or too many are unfinished."""

    _head = 0
    """Bytes of an unfinished head. Bytes that arrive together with the end of the previous request are not counted."""
    _is_head = True
    _head_timer: asyncio.TimerHandle | None = None
    turn: int | None = None
    """The number of the unfinished request, in order of arrival: clocks are too coarse to tell which of two is older."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        if self._is_head:
            self._head += len(data)
            if self.turn is None:
                self._begin()
        super().data_received(data)
        if self._is_head and self._head > MAX_HEAD_BYTES:
            self.send_400_response("The request's head is too large.")

    def on_headers_complete(self) -> None:
        self._is_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_head, self._head, self.turn = True, 0, None
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.turn = None
        super().connection_lost(exc)

    def give_up(self) -> None:
        """Close the connection, and answer unless the App is about to."""
        self._stop_timer()
        self.turn = None
        if self._is_head:
            self.send_400_response("The request's head took too long.")
        else:
            self.transport.close()

    @property
    def peer(self) -> str:
        """The client's address."""
        return self.client[0] if self.client else ""

    def _begin(self) -> None:
        self.turn = next(_TURNS)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.give_up)
        if len(self.connections) > MAX_UNFINISHED:
            self._make_room()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _make_room(self) -> None:
        """Close the oldest unfinished request of the client that has the most, so that nobody can use up all of them."""
        unfinished = {
            connection.turn: connection
            for connection in self.connections
            if isinstance(connection, BoundedRequests) and connection.turn is not None
        }
        if len(unfinished) > MAX_UNFINISHED:
            busiest, _ = Counter(connection.peer for connection in unfinished.values()).most_common(1)[0]
            oldest = min(turn for turn, connection in unfinished.items() if connection.peer == busiest)
            unfinished[oldest].give_up()
