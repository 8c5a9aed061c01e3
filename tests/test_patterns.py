"""Patterns that check a whole text do not let a trailing newline through."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    str(path.relative_to(ROOT)) for folder in ("actions", "bot", "runners") for path in (ROOT / folder).rglob("*.py")
)


def lenient(tree: ast.AST) -> Iterator[str]:
    """Find where ``$`` also matches before a trailing newline: in Python's ``re``, but not in pydantic's own engine."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        if "regex_engine" in named:
            yield f"line {node.lineno}: regex_engine"
        is_pattern = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "re"
        flags = " ".join(ast.unparse(argument) for argument in (*node.args[1:], *named.values()))
        if is_pattern and node.args and "MULTILINE" not in flags:
            pattern = node.args[0]
            last = pattern.values[-1] if isinstance(pattern, ast.JoinedStr) else pattern
            text = last.value if isinstance(last, ast.Constant) else ""
            if isinstance(text, str) and text.endswith("$") and not text.endswith(r"\\$"):
                yield f"line {node.lineno}: {text}"


@pytest.mark.parametrize("source", SOURCES)
def test_no_pattern_lets_a_trailing_newline_through(source: str) -> None:
    assert list(lenient(ast.parse((ROOT / source).read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    ['re.compile("a$")', 're.match(r"^[a-z]+$", x)', 're.search(f"{x} b$", y)', 'ConfigDict(regex_engine="python-re")'],
)
def test_a_violation_would_be_found(text: str) -> None:
    assert len(list(lenient(ast.parse(text)))) == 1
