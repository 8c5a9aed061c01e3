"""A catalogue of texts: one TOML file per language, each text under a dotted key, with ``{name}`` placeholders."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

DEFAULT_LANGUAGE = "en"


class Catalogue:
    """The texts in a folder of ``<language>.toml`` files.

    Texts hold words only. Code chooses the key and passes the values, so every language has the same keys and the same
    placeholders; tests compare them.

    Parameters
    ----------
    folder
        Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._texts = cache(self._read)

    def languages(self) -> list[str]:
        """Return the languages that have a file."""
        return sorted(path.stem for path in self.folder.glob("*.toml"))

    def texts(self, language: str) -> Mapping[str, str]:
        """Return a language's texts by key; those of English for a language that has no file."""
        return self._texts(language if language in self.languages() else DEFAULT_LANGUAGE)

    def _read(self, language: str) -> Mapping[str, str]:
        content = tomllib.loads((self.folder / f"{language}.toml").read_text(encoding="utf-8"))
        return dict(_flattened(content))


def _flattened(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in table.items():
        pairs += _flattened(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return pairs


def plural_key(texts: Mapping[str, str], key: str, count: int) -> str:
    """Return the key of the form that fits a number: ``KEY.one`` for 1 where the language has it, else ``KEY.other``.

    >>> plural_key({"run.one": "1 run", "run.other": "{count} runs"}, "run", 1)
    'run.one'
    >>> plural_key({"run.other": "実行 {count} 件"}, "run", 1)
    'run.other'
    """
    return f"{key}.one" if count == 1 and f"{key}.one" in texts else f"{key}.other"


def placeholders(text: str) -> set[str]:
    """Return the names of a text's placeholders.

    >>> sorted(placeholders("{count} runs of `{model}`"))
    ['count', 'model']
    """
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
