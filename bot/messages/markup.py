"""Markdown that is safe to post: building blocks that escape whatever people and machines wrote (pure).

``Markdown`` marks text that is safe already. Whatever else is put into a comment goes through ``safe``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from actions.text import markdown

MAX_LENGTH = markdown.COMMENT_LIMIT - 500
"""The longest text: GitHub's limit for a comment, less some room for the hidden marker."""
_MAX_URL = 400


class Markdown(str):
    """Text that is Markdown already, with everything in it that others wrote escaped."""

    __slots__ = ()


def safe(value: object) -> Markdown:
    """Return Markdown as it is, and any other value escaped."""
    return value if isinstance(value, Markdown) else text(value)


def text(value: object, limit: int = 1_000) -> Markdown:
    """Return any value as one line that shows literally."""
    return Markdown(markdown.inline(value, limit))


def code(value: object, limit: int = 200) -> Markdown:
    """Return any value as inline code."""
    return Markdown(markdown.code(value, limit))


def fence(value: object, limit: int = 10_000) -> Markdown:
    """Return any value as a code block; of a long one the end."""
    return Markdown(markdown.fence(value, "text", limit))


def prose(value: object, limit: int = 1_000) -> Markdown:
    """Return a sentence that may hold `code` in backticks, as rules and explanations do; nothing else is obeyed."""
    parts = markdown.shorten(str(value), limit).split("`")
    if len(parts) % 2 == 0:
        return text(value, limit)
    shown = [markdown.code(part) if number % 2 else _spaced(part) for number, part in enumerate(parts)]
    return Markdown("".join(shown).strip())


def _spaced(part: str) -> str:
    before, after = (" " if edge.isspace() else "" for edge in (part[:1], part[-1:]))
    return before + markdown.inline(part) + (after if part.strip() else "")


def link(value: object, url: str) -> Markdown:
    """Return a link, or its text alone where the URL is too long."""
    return Markdown(markdown.link(value, url)) if len(url) <= _MAX_URL else text(value)


def image(value: object, url: str) -> Markdown:
    """Return a plot, at such a width that two stand side by side."""
    if len(url) > _MAX_URL:
        return text(value, 60)
    return Markdown(markdown.image(markdown.shorten(str(value), 60), url, width="49%"))


def bold(value: object) -> Markdown:
    """Return any value in bold."""
    return Markdown(f"**{safe(value)}**")


# --- how parts go together ---------------------------------------------------------------------------------------------


def joined(parts: Iterable[object], separator: str) -> Markdown:
    """Return parts with a separator between them, which is taken as Markdown."""
    return Markdown(separator.join(safe(part) for part in parts))


def heading(symbol: str, title: Markdown) -> Markdown:
    """Return the heading of a comment."""
    return Markdown(f"### {symbol} {title}")


def paragraphs(*parts: Markdown) -> Markdown:
    """Return parts with an empty line between them; empty parts are left out."""
    return joined([part for part in parts if part], "\n\n")


def bullets(items: Iterable[object]) -> Markdown:
    """Return a bulleted list."""
    return joined([Markdown(f"- {safe(item)}") for item in items], "\n")


def table(header: Sequence[object], rows: Iterable[Sequence[object]], right: Collection[int] = ()) -> Markdown:
    """Return a table, or nothing without rows; the columns in ``right`` are aligned to the right."""
    cells = [[safe(cell) for cell in row] for row in rows]
    return Markdown(markdown.table([safe(cell) for cell in header], cells, right))


def folded(summary: Markdown, content: Markdown, *, is_open: bool = False) -> Markdown:
    """Return content that the reader can fold and unfold."""
    opening = "<details open>" if is_open else "<details>"
    return Markdown(f"{opening}<summary>{summary}</summary>\n\n{content}\n\n</details>")


# --- how much of long texts is shown -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Detail:
    """How many characters of the long parts are kept: of a log, of a sentence, of a cell's value."""

    log: int = 12_000
    text: int = 2_000
    cell: int = 200


FULL = Detail()
LEVELS = (FULL, Detail(log=2_000, text=500, cell=80), Detail(log=0, text=100, cell=20))
"""From the most detail to the least: a text is written with less and less until it fits."""
