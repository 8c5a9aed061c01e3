"""Prints how the source is built: its rooms, the length of functions, import cycles, and what an addition touches.

``make structure`` runs it; docs/architecture.md has its output. Standard library only, so it runs on any checkout.
"""

from __future__ import annotations

import argparse
import ast
import io
import statistics
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("bot", "actions", "runners")
MAX_LINES = 30
"""Functions above this count as long."""


class Addition(NamedTuple):
    """A kind of addition, an existing example of it, and how many files one should touch."""

    kind: str
    example: str
    names: tuple[str, ...]
    goal: int


ADDITIONS = (
    Addition("operation", "get_training_metrics", ("get_training_metrics",), 1),
    Addition("command", "/unlock", ("unlock",), 1),
    Addition("algorithm", "lightgbm", ("lightgbm",), 1),
    Addition("state", "CheckRetryLimit", ("CheckRetryLimit", "CHECK_RETRY_LIMIT"), 2),
    Addition("event", "installation_repositories", ("installation_repositories",), 2),
)
"""A file counts where it has one of the names as an identifier or as a whole string, or is called by it. An event is named by its
handler and by the table of what the App needs on GitHub. The local hub does not count: it plays GitHub. A new task is a test: ``tests/e2e/test_new_task.py`` adds one without a
change to any file."""


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    path: Path
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def room(self) -> str:
        """The package that contains it; for the hub, one level deeper."""
        parts = self.name.split(".")
        is_package = self.path.name == "__init__.py"
        return ".".join(parts if is_package else parts[:-1]) or self.name

    @cached_property
    def code_lines(self) -> int:
        """Lines with code: no blank lines, comments or docstrings."""
        skipped = {
            line
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        ignored = {
            tokenize.COMMENT,
            tokenize.NL,
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
            tokenize.ENDMARKER,
        }
        lines = {
            line
            for token in tokenize.generate_tokens(io.StringIO(self.source).readline)
            if token.type not in ignored
            for line in range(token.start[0], token.end[0] + 1)
        }
        return len(lines - skipped)

    @cached_property
    def comment_lines(self) -> int:
        tokens = tokenize.generate_tokens(io.StringIO(self.source).readline)
        return sum(token.type == tokenize.COMMENT for token in tokens)

    @cached_property
    def function_lengths(self) -> list[int]:
        """Lines of each function, docstring included."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [
            node.end_lineno - node.lineno + 1
            for node in ast.walk(self.tree)
            if isinstance(node, kinds) and node.end_lineno
        ]

    def mentions(self, names: Iterable[str]) -> bool:
        """Tell whether the file is called by one of the names, or has one as an identifier or as a whole string."""
        wanted = set(names)
        if self.path.stem in wanted:
            return True
        for node in ast.walk(self.tree):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.FunctionDef(name=name) if name in wanted:
                    return True
                case ast.AsyncFunctionDef(name=name) | ast.Constant(value=str(name)) if name in wanted:
                    return True
        return False


def read_modules(root: Path) -> dict[str, Module]:
    """Return the modules of the three packages by dotted name."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            modules[name] = Module(name, path, path.read_text(encoding="utf-8"))
    return modules


class Imports(NamedTuple):
    """What a module imports when it is loaded, and what it imports for types alone."""

    at_load: set[str]
    for_types: set[str]


def imports_of(module: Module, modules: Mapping[str, Module]) -> Imports:
    """Return the modules of this project that a module imports at its top level."""
    found = Imports(set(), set())
    _collect(module.tree.body, modules, found.at_load, found.for_types)
    return Imports(found.at_load - {module.name}, found.for_types - {module.name} - found.at_load)


def _collect(body: list[ast.stmt], modules: Mapping[str, Module], target: set[str], for_types: set[str]) -> None:
    for node in body:
        if isinstance(node, ast.If):
            is_typing = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            _collect(node.body, modules, for_types if is_typing else target, for_types)
            _collect(node.orelse, modules, target, for_types)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                target.update({full if full in modules else node.module} & modules.keys())
        elif isinstance(node, ast.Import):
            target.update({alias.name for alias in node.names} & modules.keys())


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other (strongly connected components; Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for imported in graph[name]:
            if imported not in index:
                visit(imported)
                low[name] = min(low[name], low[imported])
            elif imported in stack:
                low[name] = min(low[name], index[imported])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return groups


def report(root: Path, modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield the lines of the report on a checkout, as Markdown."""
    imports = {name: imports_of(module, modules) for name, module in modules.items()}
    yield from _packages(modules)
    yield from _rooms(modules)
    yield from _cycles(imports)
    yield from _additions(modules, root)


def _packages(modules: Mapping[str, Module]) -> Iterator[str]:
    yield "| package | modules | code lines | comments | functions | length, median / p90 | over 30 lines |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for package in PACKAGES:
        yield _package_row(
            f"`{package}`", [module for name, module in modules.items() if name.split(".")[0] == package]
        )
    yield _package_row("total", list(modules.values()))
    yield ""


def _package_row(title: str, own: Sequence[Module]) -> str:
    lengths = sorted(length for module in own for length in module.function_lengths)
    code = sum(module.code_lines for module in own)
    comments = sum(module.comment_lines for module in own)
    long = sum(length > MAX_LINES for length in lengths)
    p90 = statistics.quantiles(lengths, n=10)[-1]
    return (
        f"| {title} | {len(own)} | {code:,} | {comments / code:.1%} | {len(lengths):,} "
        f"| {statistics.median(lengths):.0f} / {p90:.0f} | {long / len(lengths):.1%} |"
    )


def _rooms(modules: Mapping[str, Module]) -> Iterator[str]:
    rooms: dict[str, list[Module]] = defaultdict(list)
    for module in modules.values():
        rooms[module.room].append(module)
    yield "| room | modules | code lines | longest module |"
    yield "| --- | ---: | ---: | --- |"
    for room, own in sorted(rooms.items()):
        longest = max(own, key=lambda module: module.code_lines)
        code = sum(module.code_lines for module in own)
        yield f"| `{room}` | {len(own)} | {code:,} | `{longest.path.name}` {longest.code_lines} |"
    yield ""


def _cycles(imports: Mapping[str, Imports]) -> Iterator[str]:
    at_load = {name: imported.at_load for name, imported in imports.items()}
    with_types = {name: imported.at_load | imported.for_types for name, imported in imports.items()}
    for title, graph in (("when modules are loaded", at_load), ("with imports for types alone", with_types)):
        groups = cycles(graph)
        listed = "; ".join(", ".join(f"`{name}`" for name in group) for group in groups) or "none"
        yield f"Import cycles {title}: {listed}."
    yield ""


def touched_by(addition: Addition, modules: Mapping[str, Module]) -> list[Module]:
    """Return the modules that an existing example of an addition is in."""
    return [
        module
        for name, module in modules.items()
        if not name.startswith("runners.local.hub") and module.mentions(addition.names)
    ]


def _additions(modules: Mapping[str, Module], root: Path) -> Iterator[str]:
    yield "| a new | as | files | goal | which |"
    yield "| --- | --- | ---: | ---: | --- |"
    for addition in ADDITIONS:
        files = [module.path.relative_to(root).as_posix() for module in touched_by(addition, modules)]
        listed = ", ".join(f"`{file}`" for file in files)
        yield f"| {addition.kind} | {addition.example} | {len(files)} | {addition.goal} | {listed} |"


def main() -> None:
    """Print the report of a checkout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=Path, default=Path(), help="a checkout (default: the current folder)")
    sys.setrecursionlimit(10_000)  # the search for cycles goes as deep as the longest chain of imports
    root = parser.parse_args().root.resolve()
    for line in report(root, read_modules(root)):
        print(line)


if __name__ == "__main__":
    main()
