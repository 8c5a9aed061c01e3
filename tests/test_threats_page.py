"""The threats page names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| What ", "| ---"))]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_a_test_that_exists_or_says_that_there_is_none(row: str) -> None:
    shown = row.rstrip(" |").rpartition("| ")[2]
    if shown in {"not yet shown", "not there yet"}:
        return
    named = NAMED.fullmatch(shown)
    assert named is not None, shown
    path = ROOT / named[1]
    assert path.is_file(), named[1]
    assert re.search(rf"^(async )?def {named[2]}\(", path.read_text(encoding="utf-8"), re.MULTILINE), named[2]


def test_the_page_has_rows_of_every_section() -> None:
    sections = PAGE.split("\n## ")[1:]
    assert [section.split("\n", 1)[0] for section in sections] == [
        "Webhooks",
        "Crashes",
        "GitHub",
        "Set-up",
        "Who may",
        "Content",
        "Workflows",
        "Data",
    ]
    assert all("| `tests/" in section for section in sections)
