"""Tells PNG images from anything else, by their content."""

from __future__ import annotations

import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FRAME = 12
"""Bytes of a chunk besides its data: length, type and checksum."""


def is_png(content: bytes) -> bool:
    """Return whether bytes are exactly one PNG image.

    The signature alone is not enough: a browser may take what follows it for a page. Every chunk must have the right
    checksum, the first must be the header, and nothing may follow the end.
    """
    if not content.startswith(_SIGNATURE) or content[12:16] != b"IHDR":
        return False
    start = len(_SIGNATURE)
    while start + _FRAME <= len(content):
        end = start + _FRAME + int.from_bytes(content[start : start + 4])
        if zlib.crc32(content[start + 4 : end - 4]) != int.from_bytes(content[end - 4 : end]):
            return False
        if content[start + 4 : start + 8] == b"IEND":
            return end == len(content)
        start = end
    return False
