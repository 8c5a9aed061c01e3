"""Characters that a reader does not see, or that reorder what the reader sees: text could hide in them, or lie.

Joiners are not among them, nor are variation selectors, because emoji and several scripts need them.
"""

from __future__ import annotations

INVISIBLE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters except tab and line feed
    "\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
"""Ranges for a character class of a regular expression."""
