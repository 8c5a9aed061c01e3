"""Text from people and machines made safe to stand in GitHub's Markdown: shown as it is, never obeyed.

Nothing that went through ``inline``, ``code`` or ``fence`` can start a mark-up of any kind, notify a person, make a
reference to an issue, or look like one of the hidden markers (``<!-- ... -->``) by which comments are found again.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote, urlsplit

from actions.text.masking import masked

COMMENT_LIMIT = 65_536
"""GitHub's limit for the body of a comment, in characters."""

_BREAK = "\u200b"
"""Zero-width space: invisible, but ends what GitHub would make a mention, a reference or a link."""

# Control characters but tab and line feed; direction overrides, which show text in another order than it has; and the
# zero-width space itself, so that ours are the only ones. Joiners stay: emoji and several scripts need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_SPACES = re.compile(r"[\s\u2028\u2029]+")
# Only what GitHub makes a link by itself: an address such as sklearn://iris stays one that can be copied.
_REFERENCES = re.compile(
    r"@(?=[A-Za-z0-9])|#(?=[0-9])|\bGH-(?=[0-9])|(?:https?|ftp):(?=//)|(?:mailto|xmpp):|\bwww(?=\.)", re.IGNORECASE
)
# An underscore within a word starts no emphasis, and column names are full of them.
_MARKS = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_START_OF_BLOCK = re.compile(r"^([#+-])(?=[\s#+-]|$)|^(=)|^([0-9]{1,9})(?=[.)](?:\s|$))")


def clean(text: str) -> str:
    """Remove what is not meant to be seen, mask what looks like a secret, and end lines by a line feed."""
    return masked(_INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def shorten(text: str, limit: int) -> str:
    """Return at most ``limit`` characters, the last of them an ellipsis where some were cut."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def inline(text: object, limit: int = 1_000) -> str:
    """Return any text as one line that shows literally: in a sentence, in a list item, in a table's cell.

    Parameters
    ----------
    text
        What a person or a machine wrote; ``str`` is taken of anything else.
    limit
        How many characters of it to keep.
    """
    line = shorten(_SPACES.sub(" ", clean(str(text))).strip(), limit)
    line = _REFERENCES.sub(lambda found: found[0] + _BREAK, line)
    line = _MARKS.sub(lambda found: "\\" + found[0], line)
    line = _START_OF_BLOCK.sub(lambda found: f"{found[3]}\\" if found[3] else f"\\{found[0]}", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: object, limit: int = 1_000) -> str:
    """Return any text as inline code on one line, also within a table's cell; nothing for nothing."""
    line = shorten(_SPACES.sub(" ", clean(str(text))).strip(), limit)
    if not line:
        return ""
    if not re.search(r"[`|<\\]", line):
        return f"`{line}`"
    return f"<code>{_references(line)}</code>"


def _references(line: str) -> str:
    """Write a line for HTML so that nothing reads anything in it: all but the plainest characters by their numbers."""
    return re.sub(r"[^A-Za-z0-9 ./,=-]", lambda found: f"&#{ord(found[0])};", line)


def fence(text: object, language: str = "", limit: int = 10_000) -> str:
    """Return any text as a fenced block; where it is longer than ``limit``, its end, which holds the news of a log."""
    content = clean(str(text)).strip("\n")
    if len(content) > limit:
        content = f"… {len(content) - limit} characters before this\n{content[-limit:]}"
    content = content.replace("<!--", f"<{_BREAK}!--")
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{re.sub(r'[^A-Za-z0-9_+-]', '', language)}\n{content}\n{marks}"


def link(text: object, url: str) -> str:
    """Return a link with a literal text; the text alone where the URL is neither http(s) nor relative."""
    shown = inline(text)
    if urlsplit(url).scheme not in {"", "http", "https"} or not url:
        return shown
    return f"[{shown}]({_destination(url)})"


def image(text: object, url: str, width: str = "") -> str:
    """Return an image with a literal alternative text; ``width`` is such as ``400`` or ``49%``, else its own."""
    if not width:
        return f"![{inline(text)}]({_destination(url)})"
    alternative = _references(_SPACES.sub(" ", clean(str(text))).strip())
    return f'<img alt="{alternative}" src="{html.escape(_destination(url))}" width="{width}">'


def _destination(url: str) -> str:
    return quote(clean(url), safe="/:?#@!$&'*+,;=%~-._")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose cells are Markdown already (made by ``inline``, ``code`` or ``link``).

    Without any row it returns an empty text. A line break within a cell becomes ``<br>``.
    """
    lines = [" | ".join(cell.replace("\n", "<br>") for cell in row) for row in rows]
    if not lines:
        return ""
    head = [" | ".join(header), " | ".join("---" for _ in header)]
    return "\n".join(f"| {line} |" for line in [*head, *lines])


def cap(text: str, limit: int = COMMENT_LIMIT, why: str = "Cut here: it was longer than a comment may be.") -> str:
    """Return at most ``limit`` characters of a whole document, whose end then says that it was cut."""
    if len(text) <= limit:
        return text
    note = f"\n\n*{why}*"
    cut = text[: limit - len(note)]
    mark = _open_fence(cut)
    return cut[: len(cut) - len(mark) - 1] + f"\n{mark}" + note if mark else cut + note


def _open_fence(text: str) -> str:
    """Return the fence that is still open at the end of a text, or nothing."""
    mark = ""
    for line in text.splitlines():
        found = re.match(r"`{3,}", line)
        if not found:
            continue
        if not mark:
            mark = found[0]
        elif len(found[0]) >= len(mark) and not line.strip("`").strip():
            mark = ""
    return mark
