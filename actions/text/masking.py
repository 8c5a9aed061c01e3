"""What looks like a secret, taken out of a text before anybody else sees it (pure, and linear in the text's length).

GitHub masks the secrets that it knows in a job's log; it knows none that a runner, a library or a person brings along.
"""

from __future__ import annotations

import json
import re

MASK = "***"

_LETTER = "[A-Za-z0-9_-]"
_TOKENS = re.compile(
    # GitHub's tokens, by their prefixes; old installation tokens
    r"gh[pousr]_[A-Za-z0-9_.-]{10,}|github_pat_[A-Za-z0-9_]{10,}|v1\.[0-9a-f]{40}"
    # a JWT; one that begins within a word is none, and looking for it there would take the square of the time
    rf"|(?<!{_LETTER})eyJ{_LETTER}{{8,}}\.eyJ{_LETTER}{{8,}}\.{_LETTER}*"
    # Slack: tokens of bots, users, apps and refreshes; the address of an incoming webhook
    r"|xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}"
    r"|(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[A-Za-z0-9/_-]+"
    # AWS: the number of a key is none, but where it shows, its secret is near
    r"|(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    # a key whose end may have been cut off
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    # user and password of an address
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",
    re.DOTALL,
)
_NAMED = re.compile(
    r"((?:secret_?access_?key|session_?token)[\"']?\s{0,5}[=:]\s{0,5}[\"']?)[A-Za-z0-9/+=_-]{16,}", re.IGNORECASE
)
_PART_OF_KEY = re.compile(r"\s*[A-Za-z0-9+/=]{1,76}\s*")
_END_OF_KEY = re.compile(r"\s*-----END [A-Z ]{0,40}PRIVATE KEY-----\s*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def masked(text: str) -> str:
    """Return a text with ``***`` for whatever looks like a token, a key or a password."""
    text = _NAMED.sub(rf"\1{MASK}", _TOKENS.sub(MASK, text))
    return _without_tail_of_key(text) if "PRIVATE KEY-----" in text else text


def _without_tail_of_key(text: str) -> str:
    """Mask the lines before the end of a key whose beginning was cut off."""
    kept: list[str] = []
    parts = 0
    for line in text.split("\n"):
        if _END_OF_KEY.fullmatch(line):
            kept[len(kept) - parts :] = [MASK]
            parts = 0
        else:
            parts = parts + 1 if _PART_OF_KEY.fullmatch(line) else 0
            kept.append(line)
    return "\n".join(kept)


def masked_json(text: str) -> str:
    """Return a JSON text whose strings are masked one by one; all others stay as they are, byte for byte."""

    def one(found: re.Match[str]) -> str:
        before = json.loads(found[0])
        after = masked(before)
        return found[0] if after == before else json.dumps(after, ensure_ascii=False)

    return _STRING.sub(one, text)
