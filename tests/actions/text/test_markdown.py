"""Text from people shows literally in Markdown, whatever it holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from actions.text.markdown import cap, clean, code, fence, image, inline, link, shorten, table

GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ANY = st.text(max_size=200) | st.text(alphabet="\\`*_[]()<>|~$!&#@:/-+=.0a \n\t", max_size=40)
LITERAL = {"text", "text_special", "entity"}


def shown(markdown: str) -> str:
    """Return what a reader sees of one paragraph, after making sure that it is one paragraph of plain text."""
    return seen(paragraph(GITHUB.parse(markdown)))


def paragraph(tokens: list[Token]) -> Token:
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"], tokens
    return tokens[1]


def seen(token: Token) -> str:
    assert token.children is not None
    assert {child.type for child in token.children} <= LITERAL, token.children
    return "".join(child.content for child in token.children).replace("\u200b", "")


def one_line(text: str) -> str:
    return re.sub(r"[\s\u2028\u2029]+", " ", clean(text)).strip()


@given(ANY)
@example("@owner see #1 and GH-2")
@example("<!-- modelyard:run -->")
@example("1. first")
@example("![x](javascript:alert(1))")
@example("a_b_c __d__ *e*")
def test_inline_text_shows_literally_in_a_paragraph(text: str) -> None:
    line = one_line(text)
    if line:
        assert shown(inline(text)) == line


@given(ANY)
def test_inline_text_shows_literally_in_a_table_cell(text: str) -> None:
    tokens = GITHUB.parse(table(["a", "b"], [[inline(text), "end"]]))
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    assert seen(cells[2]) == one_line(text)
    assert seen(cells[3]) == "end"


@given(ANY)
def test_inline_text_creates_no_mention_reference_link_or_markup(text: str) -> None:
    result = inline(text)
    assert not re.search(r"@[A-Za-z0-9]|#[0-9]|GH-[0-9]|://|www\.|<|>|\n", result, re.IGNORECASE)


@given(ANY)
@example("a`b|c")
def test_code_shows_literally_in_a_table_cell(text: str) -> None:
    tokens = GITHUB.parse(table(["a", "b"], [[code(text), "end"]]))
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    children = [child for child in cells[2].children or [] if child.type != "html_inline"]
    assert "".join(child.content for child in children) == one_line(text)


@given(ANY)
@example("```\n@owner\n````")
def test_a_fence_cannot_be_closed_from_inside(text: str) -> None:
    tokens = GITHUB.parse(fence(text) + "\n\nend")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.replace("\u200b", "").strip("\n") == clean(text).strip("\n")
    assert "<!--" not in fence(text)


def test_a_long_log_keeps_its_end() -> None:
    assert fence("x" * 50 + "the end", limit=7).splitlines()[1:3] == ["… 50 characters before this", "the end"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", ""])
def test_a_link_with_another_scheme_becomes_text(url: str) -> None:
    assert link("here", url) == "here"


def test_links_and_images_cannot_be_left_through_their_address() -> None:
    assert link("a]b", "https://example.org/a b)(c") == "[a\\]b](https://example.org/a%20b%29%28c)"
    assert image("ROC curve", "run/roc_curve.png") == "![ROC curve](run/roc_curve.png)"
    assert image("ROC", "roc.png", "49%") == '<img alt="ROC" src="roc.png" width="49%">'
    assert image('a" onerror="b', 'x"><b>&y', "49%") == (
        '<img alt="a&#34; onerror=&#34;b" src="x%22%3E%3Cb%3E&amp;y" width="49%">'
    )


def test_a_table_without_rows_is_nothing() -> None:
    assert table(["a"], []) == ""


@given(st.text(max_size=300), st.integers(min_value=100, max_value=200))
def test_a_capped_document_is_never_longer_than_the_limit(text: str, limit: int) -> None:
    assert len(cap(text, limit)) <= limit


def test_a_document_cut_within_a_fence_closes_it() -> None:
    tokens = GITHUB.parse(cap("```\n" + "x" * 500, 200))
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


def test_shortened_text_says_so() -> None:
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abcd", 4) == "abcd"
