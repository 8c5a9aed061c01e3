"""What the documents say about the project's own files."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

from runners.local.hub.seed import APP_EVENTS, APP_PERMISSIONS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "README.ja.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "operations").glob("*.md")),
    *sorted((ROOT / "docs" / "contributing").glob("*.md")),
]
IN_HTML = re.compile(r"""(?:href|src|srcset)="([^"]+)\"""")


def links(text: str) -> list[str]:
    """Return where a document's links and images lead, those in HTML too."""
    found = []
    for block in MarkdownIt("commonmark").enable("table").parse(text):
        for token in (block, *(block.children or ())):
            found += [str(token.attrs[name]) for name in ("href", "src") if name in token.attrs]
            if token.type in ("html_block", "html_inline"):
                found += IN_HTML.findall(token.content)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_to_files_that_are_there(document: Path) -> None:
    paths = [
        unquote(parts.path) for parts in map(urlsplit, links(document.read_text(encoding="utf-8"))) if not parts.scheme
    ]
    missing = [path for path in paths if path and not (document.parent / path).exists()]
    assert missing == []


def test_links_are_found_wherever_they_stand() -> None:
    text = (
        '[a](a.md#x) ![b](b.png)\n\n| c |\n| - |\n| [c](c.md) |\n\n[d]: d.md\n[d], `[no](no.md)`, <img src="e.svg">\n'
    )
    assert links(text) == ["a.md#x", "b.png", "c.md", "d.md", "e.svg"]


def test_the_readme_asks_for_what_the_app_is_given_on_the_local_hub() -> None:
    said = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    step = said.partition("repository permissions ")[2].partition(". Create a private key")[0]
    permissions, _, events = step.partition(": read and write; events ")
    names = {name.lower().replace(" ", "_") for name in re.findall(r"\*(.+?)\*", permissions)}
    assert names == {name for name, level in APP_PERMISSIONS.items() if level == "write"}
    assert {name.lower().replace(" ", "_") for name in re.findall(r"\*(.+?)\*", events)} == set(APP_EVENTS)


TRANSLATIONS = [("README.md", "README.ja.md"), ("docs/user-guide.md", "docs/user-guide.ja.md")]


def outline(text: str) -> list[str]:
    """Return the levels of a document's headings and its code blocks without their comments, in order."""
    blocks = MarkdownIt("commonmark").parse(text)
    headings_and_code = [block for block in blocks if block.type in ("heading_open", "fence")]
    return [
        block.tag if block.type == "heading_open" else re.sub(r"\s*# .*", "", block.content)
        for block in headings_and_code
    ]


@pytest.mark.parametrize(("english", "japanese"), TRANSLATIONS)
def test_the_japanese_documents_have_the_same_headings_and_code_blocks(english: str, japanese: str) -> None:
    in_english, in_japanese = ((ROOT / name).read_text(encoding="utf-8") for name in (english, japanese))
    assert outline(in_japanese) == outline(in_english)


def rooms() -> list[str]:
    """Return the packages of the three trees; packages inside a room share its page."""
    folders = {
        path.parent.relative_to(ROOT).as_posix()
        for tree in ("bot", "actions")
        for path in (ROOT / tree).glob("*/__init__.py")
    }
    local = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "runners" / "local").glob("*/__init__.py")}
    return sorted(folders | local | {"bot", "runners"})


@pytest.mark.parametrize("room", rooms())
def test_every_room_has_a_page_for_contributors(room: str) -> None:
    page = (ROOT / "docs" / "contributing" / f"{room.replace('/', '-')}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# `{room}`\n")
    assert all(f"\n{part}" in page for part in ("**May import**: ", "## How to\n", "## Tests\n"))


@pytest.mark.parametrize("room", rooms())
def test_every_room_says_in_one_sentence_what_it_contains(room: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8")))
    assert docstring, "a package's docstring says what belongs there"


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "contributing").glob("*.md")), ids=lambda path: path.stem)
def test_the_pages_for_contributors_name_files_that_exist(page: Path) -> None:
    named = re.findall(r"`((?:bot|actions|runners|tests|docs)/[\w./*-]*)`", page.read_text(encoding="utf-8"))
    missing = [name for name in named if not list(ROOT.glob(name))]
    assert missing == []
