"""Masks what looks like a secret before a text is shown to people; takes linear time.

GitHub masks only the secrets that it stores. It does not know those that come from a runner, a library or a person.
"""

from __future__ import annotations

import json
import re

MASK = "***"

_LETTER = "[A-Za-z0-9_-]"
_TOKENS = re.compile(
    # GitHub's tokens, by their prefixes; old installation tokens
    r"gh[pousr]_[A-Za-z0-9_.-]{10,}|github_pat_[A-Za-z0-9_]{10,}|v1\.[0-9a-f]{40}"
    # a JWT; searching for one inside words would take quadratic time, and would not find any
    rf"|(?<!{_LETTER})eyJ{_LETTER}{{8,}}\.eyJ{_LETTER}{{8,}}\.{_LETTER}*"
    # Slack: tokens of bots, users, apps and refreshes; the address of an incoming webhook
    r"|xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}"
    r"|(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[A-Za-z0-9/_-]+"
    # AWS: an access key id is not secret, but where it is shown, its secret key is often near
    r"|(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    # a key whose end may have been cut off
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    # Hugging Face, GitLab, OpenAI and those that took over its form; npm, PyPI, Google
    r"|(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{20,}|glpat-[A-Za-z0-9_-]{20,}|sk-(?=[a-z_-]{0,80}[A-Z0-9])[A-Za-z0-9_-]{20,}"
    r"|npm_[A-Za-z0-9]{30,}|pypi-AgE[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{35})"
    # user, which may be missing, and password of an address; the password may contain an @ or a / that should have been
    # escaped, so only a number that may be a port is none
    r"|(?<=://)[^/\s:@?#]*:(?![0-9]{1,5}[/?#])[^\s\"'<>]{1,300}(?=@)",
    re.DOTALL,
)
_NAMED = re.compile(
    r"((?:secret_?access_?key|session_?token|api_?key|account_?key|client_?secret)[\"']?\s{0,5}[=:]\s{0,5}[\"']?)[A-Za-z0-9/+=_-]{16,}",
    re.IGNORECASE,
)
_HEADER = re.compile(
    # what follows these words in a header; AWS: what makes a signed address valid
    r"(\bbearer\s{1,5}|authorization[\"']?\s{0,5}[=:]\s{0,5}[\"']?(?:basic|token)\s{1,5}"
    r"|x-amz-(?:signature|security-token)[\"']?\s{0,5}[=:]\s{0,5}[\"']?)[A-Za-z0-9._~%+/=-]{16,}",
    re.IGNORECASE,
)
_PASSWORD = re.compile(
    r"((?:pass(?:word|wd|phrase)|pwd)(?:[\"']?\s{0,5}=|[\"']\s{0,5}:)\s{0,5})(?:'[^'\n]*'|\"[^\"\n]*\"|[\"']?[^\s\"'&,;]+)",
    re.IGNORECASE,
)
_PART_OF_KEY = re.compile(r"\s*[A-Za-z0-9+/=]{1,76}\s*")
_END_OF_KEY = re.compile(r"\s*-----END [A-Z ]{0,40}PRIVATE KEY-----\s*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def masked(text: str) -> str:
    """Return a text with ``***`` in place of anything that looks like a token, a key or a password."""
    text = _TOKENS.sub(MASK, text)
    for named in (_NAMED, _HEADER, _PASSWORD):
        text = named.sub(rf"\1{MASK}", text)
    return _without_tail_of_key(text) if "PRIVATE KEY-----" in text else text


def _without_tail_of_key(text: str) -> str:
    """Mask the last lines of a key whose beginning was cut off."""
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
    """Return a JSON text whose strings are masked one by one; everything else stays the same, byte for byte."""

    def mask(match: re.Match[str]) -> str:
        before = json.loads(match[0])
        after = masked(before)
        return match[0] if after == before else json.dumps(after, ensure_ascii=False)

    return _STRING.sub(mask, text)
