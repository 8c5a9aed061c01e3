"""The examples in the operations' docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

MODULES = [
    f"actions.data_preparation.{name}"
    for name in ("loading", "validation", "splitting", "preprocessing", "engineering", "saving")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert done.attempted
    assert not done.failed
