"""Which reasons an operation can be refused for, read from the source: what it calls, and what that calls, as written.

Nothing is executed. A function counts as called where it is named, so that a reason too many may be found, and one that is
put together while the program runs is not.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from actions.errors import OperationError

_PACKAGES = ("actions", "bot")
_CONTEXT = ("actions.context", "Context")


@dataclass(frozen=True, order=True)
class Reason:
    """One way in which an operation says no.

    Attributes
    ----------
    reason
        The stable code.
    kind
        The kind of error.
    rule
        The rule that was broken, with … for what is known only then.
    """

    reason: str
    kind: str
    rule: str


def reasons_of(function: Callable[..., Any]) -> list[Reason]:
    """Return what a function, or anything that it leads to, raises as an ``OperationError``, sorted."""
    errors = [error for error in _errors(OperationError) if error.__module__.startswith("actions.")]
    kinds = {error.__name__: error.kind for error in errors}
    found: set[Reason] = set()
    seen: set[tuple[str, str]] = set()
    todo = [(function.__module__, function.__name__)]
    while todo:
        place = todo.pop()
        if place in seen:
            continue
        seen.add(place)
        module, name = place
        for node in _nodes(module, name):
            found |= set(_raised(node, kinds))
            todo += _named(module, node)
    first: dict[str, Reason] = {}
    for each in sorted(found):
        first.setdefault(each.reason, each)
    return list(first.values())


def _errors(error: type[OperationError]) -> Iterator[type[OperationError]]:
    yield error
    for narrower in error.__subclasses__():
        yield from _errors(narrower)


# --- what a piece of source raises -----------------------------------------------------------------------------------


def _raised(node: ast.AST, kinds: dict[str, str]) -> Iterator[Reason]:
    for call in ast.walk(node):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in kinds and call.args):
            continue
        rule = next((_text(keyword.value) for keyword in call.keywords if keyword.arg == "rule"), "")
        for reason in _codes(call.args[0]):
            yield Reason(reason, kinds[call.func.id], rule)


def _codes(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return _codes(node.body) + _codes(node.orelse)
    text = _text(node)
    return [text] if text.strip("…") else []


def _text(node: ast.expr) -> str:
    """Return a text as far as it is written down."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.IfExp):
        return _text(node.body)
    return "…"


# --- what a piece of source leads to ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    defined: dict[str, ast.stmt]
    imported: dict[str, tuple[str, str]]
    """Local name to module and the name there; an empty one for the module itself."""


@cache
def _source(module: str) -> _Source | None:
    if module.partition(".")[0] not in _PACKAGES:
        return None
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    defined: dict[str, ast.stmt] = {}
    for statement in tree.body:
        for name in _bound(statement):
            defined[name] = statement
    imported: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in _PACKAGES:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                place = (whole, "") if _is_module(whole) else (node.module, alias.name)
                imported[alias.asname or alias.name] = place
    return _Source(defined, imported)


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


@cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, no package
        return False


def _nodes(module: str, name: str) -> list[ast.AST]:
    """Return what there is to look at of a name: of a function its body, without what is only said of types."""
    source = _source(module)
    outer, _, method = name.partition(".")
    statement: ast.stmt | None = source.defined.get(outer) if source else None
    if isinstance(statement, ast.ClassDef) and method:
        statement = next((part for part in statement.body if method in _bound(part)), None)
    if statement is None or (module, name) == _CONTEXT:
        return []
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return [*statement.body, *statement.args.defaults, *filter(None, statement.args.kw_defaults)]
    if isinstance(statement, ast.AnnAssign):
        return [statement.value] if statement.value else []
    return [statement]


def _named(module: str, node: ast.AST) -> Iterator[tuple[str, str]]:
    source = _source(module)
    if source is None:
        return
    types = {id(part) for hint in _hints(node) for part in ast.walk(hint)}
    for part in ast.walk(node):
        if id(part) in types:
            continue
        if isinstance(part, ast.Attribute):
            if part.attr in ("require_history", "require_issues"):
                yield _CONTEXT[0], f"Context.{part.attr}"
            if isinstance(part.value, ast.Name) and source.imported.get(part.value.id, ("", "-"))[1] == "":
                yield source.imported[part.value.id][0], part.attr
        elif isinstance(part, ast.Name) and part.id in source.defined:
            yield module, part.id
        elif isinstance(part, ast.Name) and source.imported.get(part.id, ("", ""))[1]:
            yield source.imported[part.id]


def _hints(node: ast.AST) -> Iterator[ast.expr]:
    for part in ast.walk(node):
        if isinstance(part, ast.AnnAssign | ast.arg) and part.annotation is not None:
            yield part.annotation
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.returns is not None:
            yield part.returns
