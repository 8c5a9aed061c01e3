"""uvicorn's fast HTTP protocol, with the limit on a request's head that it lacks."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""The limit of uvicorn's other protocol."""


class BoundedHead(HttpToolsProtocol):
    """Answers 400 and closes the connection if the request line and the headers are too long."""

    _head = 0
    """Bytes of an unfinished head. Bytes that arrive together with the end of the previous request are not counted."""
    _is_head = True

    def data_received(self, data: bytes) -> None:
        if self._is_head:
            self._head += len(data)
        super().data_received(data)
        if self._is_head and self._head > MAX_HEAD_BYTES:
            self.send_400_response("The request's head is too large.")

    def on_headers_complete(self) -> None:
        self._is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_head, self._head = True, 0
        super().on_message_complete()
