"""The generated files in the repository are what the code makes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from actions.contracts.algorithms import algorithms
from bot.admin.docs.algorithms_page import algorithms_page, layers
from bot.admin.docs.generate import ROOT, generated_files, outdated_files


def test_every_generated_file_is_up_to_date() -> None:
    assert list(outdated_files()) == [], "run make generate"


def test_a_changed_file_and_the_page_of_a_removed_operation_are_outdated(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for path, text in generated_files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert outdated_files(tmp_path) == {}
    (tmp_path / "docs/permissions.md").write_text("changed", encoding="utf-8")
    (tmp_path / "docs/operations/removed.md").touch()
    outdated = outdated_files(tmp_path)
    assert set(outdated) == {"docs/permissions.md", "docs/operations/removed.md"}
    assert outdated["docs/operations/removed.md"] is None


def test_the_algorithms_page_describes_every_algorithm() -> None:
    page = algorithms_page()
    for name, facts in algorithms().items():
        assert f"## {facts.title}: `{name}`" in page
        assert facts.example_override in page


def test_the_lock_file_of_every_layer_exists() -> None:
    for line in layers().splitlines():
        name, layer = line.split()
        assert name in algorithms()
        assert (ROOT / "requirements" / f"{layer}.txt").is_file()
