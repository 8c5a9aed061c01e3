"""Makes text from people and machines safe for GitHub's Markdown: it is shown literally and has no effect.

Nothing that went through ``inline``, ``code`` or ``fence`` can start a mark-up of any kind, notify a person, make a
reference to an issue, or look like one of the hidden markers (``<!-- ... -->``) by which comments are found again.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Sequence
from urllib.parse import quote, urlsplit

from actions.text.invisible import INVISIBLE
from actions.text.masking import masked

COMMENT_LIMIT = 65_536
"""GitHub's limit for the body of a comment, in characters."""

_BREAK = "\u200b"
"""Zero-width space: invisible, but keeps GitHub from making a mention, a reference or a link."""

# The zero-width space is among them, so that only ours remain. Half of a surrogate pair is no character at all.
_INVISIBLE = re.compile(f"[{INVISIBLE}\ud800-\udfff]")
_LINE_END = re.compile("\r\n|[\r\x85\u2028\u2029]")
_SPACES = re.compile(r"\s+")
# Only what GitHub turns into a link: an address such as sklearn://iris can still be copied.
_REFERENCES = re.compile(
    r"@(?=[A-Za-z0-9])|#(?=[0-9])|\bGH-(?=[0-9])|(?:https?|ftp):(?=//)|(?:mailto|xmpp):|\bwww(?=\.)", re.IGNORECASE
)
# An underscore inside a word starts no emphasis, and column names are full of them.
_MARKS = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_START_OF_BLOCK = re.compile(r"^([#+-])(?=[\s#+-]|$)|^(=)|^([0-9]{1,9})(?=[.)](?:\s|$))")


def clean(text: str) -> str:
    """Remove invisible characters, mask what looks like a secret, and normalise line ends to line feeds."""
    return masked(_INVISIBLE.sub("", _LINE_END.sub("\n", text)))


def shorten(text: str, limit: int) -> str:
    """Return at most ``limit`` characters, ending with an ellipsis if some were cut."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"


def inline(text: object, limit: int = 1_000) -> str:
    """Return any text as one line that is shown literally in a sentence, a list item or a table cell.

    Parameters
    ----------
    text
        The text; other objects are converted with ``str``.
    limit
        The maximum number of characters.
    """
    line = shorten(_SPACES.sub(" ", clean(str(text))).strip(), limit)
    line = _REFERENCES.sub(lambda found: found[0] + _BREAK, line)
    line = _MARKS.sub(lambda found: "\\" + found[0], line)
    line = _START_OF_BLOCK.sub(lambda found: f"{found[3]}\\" if found[3] else f"\\{found[0]}", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: object, limit: int = 1_000) -> str:
    """Return any text as inline code on one line, also in table cells; return an empty text for an empty one."""
    line = shorten(_SPACES.sub(" ", clean(str(text))).strip(), limit)
    if not line:
        return ""
    if not re.search(r"[`|<\\]", line):
        return f"`{line}`"
    return f"<code>{_references(line)}</code>"


def _references(line: str) -> str:
    """Encode a line for HTML so that nothing in it is interpreted: all special characters as numeric references."""
    return re.sub(r"[^A-Za-z0-9 ./,=-]", lambda found: f"&#{ord(found[0])};", line)


def fence(text: object, language: str = "", limit: int = 10_000) -> str:
    """Return any text as a fenced block; if it is longer than ``limit``, only its end, where a log has its news."""
    content = clean(str(text)).strip("\n")
    if len(content) > limit:
        content = f"… {len(content) - limit} characters before this\n{content[-limit:]}"
    content = content.replace("<!--", f"<{_BREAK}!--")
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{re.sub(r'[^A-Za-z0-9_+-]', '', language)}\n{content}\n{marks}"


def link(text: object, url: str) -> str:
    """Return a link with a literal text, or only the text if the URL is neither http(s) nor relative."""
    shown = inline(text)
    if urlsplit(url).scheme not in {"", "http", "https"} or not url:
        return shown
    return f"[{shown}]({_destination(url)})"


def image(text: object, url: str, width: str = "") -> str:
    """Return an image with a literal alternative text and, if given, a ``width`` such as ``400`` or ``49%``."""
    if not width:
        return f"![{inline(text)}]({_destination(url)})"
    alternative = _references(_SPACES.sub(" ", clean(str(text))).strip())
    return f'<img alt="{alternative}" src="{html.escape(_destination(url))}" width="{width}">'


def _destination(url: str) -> str:
    return quote(clean(url), safe="/:?#@!$&'*+,;=%~-._")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> str:
    """Return a table of cells that are already Markdown (made by ``inline``, ``code`` or ``link``).

    Without any row it returns an empty text. A line break within a cell becomes ``<br>``. The columns whose positions are
    in ``right`` are aligned to the right.
    """
    lines = [" | ".join(cell.replace("\n", "<br>") for cell in row) for row in rows]
    if not lines:
        return ""
    rule = ("---:" if position in right else "---" for position in range(len(header)))
    head = [" | ".join(header), " | ".join(rule)]
    return "\n".join(f"| {line} |" for line in [*head, *lines])


def cap(text: str, limit: int = COMMENT_LIMIT, why: str = "Cut here: it was longer than a comment may be.") -> str:
    """Return at most ``limit`` characters of a document; if it was cut, its end says so."""
    if len(text) <= limit:
        return text
    note = f"\n\n*{why}*"
    cut = text[: limit - len(note)]
    mark = _open_fence(cut)
    return cut[: len(cut) - len(mark) - 1] + f"\n{mark}" + note if mark else cut + note


def _open_fence(text: str) -> str:
    """Return the fence that is still open at the end of a text, or an empty text."""
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
