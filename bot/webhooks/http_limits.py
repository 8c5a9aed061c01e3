"""uvicorn's fast HTTP protocol, with a limit to a request's head, of which it has none of its own."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BYTES = 64 * 1024
"""As with uvicorn's other protocol."""


class BoundedHead(HttpToolsProtocol):
    """Answers 400 and hangs up where the request line and the headers do not come to an end."""

    _head = 0
    """Bytes of an unfinished head. What comes together with the end of the request before it is not counted."""
    _is_head = True

    def data_received(self, data: bytes) -> None:
        if self._is_head:
            self._head += len(data)
        super().data_received(data)
        if self._is_head and self._head > MOST_BYTES:
            self.send_400_response("The request's head is too large.")

    def on_headers_complete(self) -> None:
        self._is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_head, self._head = True, 0
        super().on_message_complete()
