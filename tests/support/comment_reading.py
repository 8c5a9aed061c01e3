"""A comment as GitHub would take it apart: what is live in it, and what merely stands there as text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from markdown_it.token import Token

MENTION = re.compile(r"(?<![A-Za-z0-9`])@[A-Za-z0-9]")
REFERENCE = re.compile(r"(?<![A-Za-z0-9&])#[0-9]|\bGH-[0-9]|https?://", re.IGNORECASE)

INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""What a reader does not see, or sees in another order."""


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.images: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img" and {name for name, _ in attrs} == {"alt", "src", "width"}:
            self.images.append(str(dict(attrs)["src"]))
            return
        self.found.append(" ".join([tag, *(f"{name}={value}" if value else name for name, value in attrs)]))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"comment {data}")


@dataclass
class Reading:
    """What a reader of the rendered comment meets."""

    text: str = ""
    tags: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    fences: list[str] = field(default_factory=list)
    tables: list[int] = field(default_factory=list)
    """The number of rows of each table."""

    @property
    def mentions(self) -> list[str]:
        return MENTION.findall(self.text)

    @property
    def references(self) -> list[str]:
        return REFERENCE.findall(self.text)


def read(markdown: str) -> Reading:
    """Take a comment's Markdown apart."""
    reading = Reading()
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "html_block":
            _html(token.content, reading)
        elif token.type in {"fence", "code_block"}:
            reading.fences.append(token.content)
        elif token.type == "table_open":
            reading.tables.append(0)
        elif token.type == "tr_open":
            reading.tables[-1] += 1
        elif token.type == "inline":
            if before is not None and before.type == "heading_open":
                reading.headings.append(token.content)
            _inline(token, reading)
    return reading


def assert_inert(comment: str) -> None:
    """Check that a comment of the App's has its own marker on its first line, and that no other text in it is live."""
    text, _, state = comment.partition("\n<!-- modelyard:state:")
    marker, _, text = text.partition("\n")
    assert marker.startswith("<!-- modelyard:")
    assert state.count("<!--") == 0
    shown = read(text)
    assert (shown.mentions, shown.references) == ([], [])
    assert all("/training_history/" in image for image in shown.images), "plots of the App's own alone"
    assert {tag.removeprefix("/") for tag in shown.tags} <= {"code", "br", "details", "summary", "sub", "p"}
    assert "<!--" not in text
    assert "javascript:" not in "".join(shown.links)
    assert not INVISIBLE.search(comment.replace("\u200b", ""))


def _inline(token: Token, reading: Reading) -> None:
    within_code = False
    for child in token.children or []:
        if child.type == "html_inline":
            within_code = child.content == "<code>" or (within_code and child.content != "</code>")
            _html(child.content, reading)
        elif child.type == "text" and not within_code:
            reading.text += child.content
        elif child.type in ("softbreak", "hardbreak"):
            reading.text += "\n"
        elif child.type == "link_open":
            reading.links.append(str(child.attrs["href"]))
        elif child.type == "image":
            reading.images.append(str(child.attrs["src"]))
    reading.text += "\n"


def _html(content: str, reading: Reading) -> None:
    parser = _Tags()
    parser.feed(content)
    reading.tags += parser.found
    reading.images += parser.images
