"""``python -m benchmarks [NAME ...] [--json FILE]``: run benchmarks and print what they found."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from rich.console import Console

from benchmarks.machine import machine
from benchmarks.report import Outcome, show

NAMES = ("loop", "imports", "ingest", "burst", "restart", "parse", "mcp", "preparation", "training", "pipelines")
"""Modules of this package. Each has a docstring that says what it measures, and ``run()``."""


class Benchmark(Protocol):
    """A benchmark's module."""

    def run(self) -> Outcome:
        """Measure."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, all if none is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Say what takes how long.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    options = parser.parse_args(argv)
    if options.list:
        for name in NAMES:
            print(f"{name:12}{_summary(_module(name))}")
        return 0
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    found = _measured(options.names or NAMES, _console())
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def _console() -> Console:
    """Return where tables go: never narrower than they are, as a file has no width."""
    console = Console()
    return console if console.is_terminal else Console(width=130)


def _measured(names: Sequence[str], console: Console) -> dict[str, object]:
    where = machine()
    for line in where.lines():
        console.print(line, style="yellow" if line.startswith("WARNING") else "", highlight=False)
    found: dict[str, object] = {}
    for name in names:
        module = _module(name)
        console.rule(f"[bold]{name}[/]: {_summary(module)}", align="left")
        with console.status(f"{name} ..."):
            outcome = module.run()
        show(console, outcome)
        found[name] = outcome.json()
    return {"machine": where.json(), "benchmarks": found}


def _module(name: str) -> Benchmark:
    return cast("Benchmark", importlib.import_module(f"benchmarks.{name}"))


def _summary(module: Benchmark) -> str:
    return (module.__doc__ or "").partition("\n")[0].rstrip(".")


if __name__ == "__main__":
    sys.exit(main())
