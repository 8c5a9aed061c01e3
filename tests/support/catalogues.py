"""Holds the code's calls for words against a catalogue: which keys are used, and with which values."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actions.text.catalogue import Catalogue, placeholders

COUNTED = ".one", ".other"


@dataclass(frozen=True)
class Use:
    """One call for a text.

    Attributes
    ----------
    key
        The key, or its start where the code puts the rest together.
    is_whole
        Whether it is the whole key.
    values
        The values that are passed by name; None where that cannot be seen in the code.
    place
        File and line.
    """

    key: str
    is_whole: bool
    values: frozenset[str] | None
    place: str


def uses(folder: Path) -> Iterator[Use]:
    """Find ``say("key", name=value)`` and ``say.count("key", number)`` in a folder's modules."""
    for path, tree in _modules(folder):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and _asks_for_words(node.func):
                yield from _use(node, f"{path.name}:{node.lineno}")


def _modules(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Parse the modules that can ask for words."""
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if any(name in source for name in ("Words", "RunPage", "Sentences", "CATALOGUE")):
            yield path, ast.parse(source)


def _asks_for_words(function: ast.expr) -> bool:
    """Tell whether a function is ``say``, ``page.say`` or ``Words(language)``, or a method of these that takes a key."""
    if isinstance(function, ast.Attribute) and function.attr in ("count", "name_of"):
        function = function.value
    called = function.func if isinstance(function, ast.Call) else function
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name == "say" if called is function else name == "Words"


def _use(call: ast.Call, place: str) -> Iterator[Use]:
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    values = frozenset(keyword.arg for keyword in call.keywords if keyword.arg is not None)
    seen = values if all(keyword.arg is not None for keyword in call.keywords) else None
    if method == "count" and seen is not None:
        seen |= {"count"}
    for key in _keys(call.args[0]):
        is_whole = isinstance(key, ast.Constant) and method != "name_of"
        text = str(key.value) if isinstance(key, ast.Constant) else _start(key)
        yield Use(text, is_whole, seen, place)


def _keys(argument: ast.expr) -> Iterator[ast.expr]:
    if isinstance(argument, ast.IfExp):
        yield from (*_keys(argument.body), *_keys(argument.orelse))
    elif isinstance(argument, (ast.Constant, ast.JoinedStr)):
        yield argument


def _start(key: ast.expr) -> str:
    first = key.values[0] if isinstance(key, ast.JoinedStr) else None
    return str(first.value) if isinstance(first, ast.Constant) else ""


def strings(folder: Path) -> set[str]:
    """Return every text constant in a folder's modules: keys may stand in tables."""
    found: set[str] = set()
    for _, tree in _modules(folder):
        found |= {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return found


def plain_key(key: str) -> str:
    """Return a key without the form of the plural."""
    return key.removesuffix(COUNTED[0]).removesuffix(COUNTED[1])


def differences(catalogue: Catalogue, language: str) -> list[str]:
    """Return where a language's keys or placeholders differ from those of English; it may lack singular forms."""
    english, other = catalogue.texts("en"), catalogue.texts(language)
    wrong = [f"{key} is missing" for key in english if key not in other and not key.endswith(COUNTED[0])]
    wrong += [f"{key} is unknown" for key in other if key not in english]
    for key in english.keys() & other.keys():
        ignored = {"count"} if key.endswith(COUNTED) else set()
        if placeholders(english[key]) - ignored != placeholders(other[key]) - ignored:
            wrong.append(f"{key} has other placeholders")
    return wrong


def misuses(catalogue: Catalogue, folder: Path) -> list[str]:
    """Return calls for a key that does not exist, or with other values than its text takes."""
    texts: dict[str, set[str]] = {}
    for key, text in catalogue.texts("en").items():
        texts.setdefault(plain_key(key), set()).update(placeholders(text))
    wrong = []
    for use in uses(folder):
        if use.is_whole and use.key not in texts:
            wrong.append(f"{use.place}: {use.key} does not exist")
        elif use.is_whole and use.values is not None and use.values - {"count"} != texts[use.key] - {"count"}:
            wrong.append(f"{use.place}: {use.key} takes {sorted(texts[use.key])}")
        elif not use.is_whole and not any(key.startswith(use.key) for key in texts):
            wrong.append(f"{use.place}: no key starts with {use.key}")
    return wrong


def unused(catalogue: Catalogue, folder: Path) -> list[str]:
    """Return keys that no code can ask for."""
    known = {use.key for use in uses(folder) if use.is_whole} | strings(folder)
    starts = tuple(f"{use.key.rstrip('.')}." for use in uses(folder) if not use.is_whole and use.key)
    keys = {plain_key(key) for key in catalogue.texts("en")}
    return sorted(key for key in keys if key not in known and not key.startswith(starts))
