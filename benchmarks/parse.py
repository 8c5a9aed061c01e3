"""The worst text that anybody can send, through the parsers of issue form, comment and configuration (promised: under 50 ms).

Each text is as long as GitHub allows, 65,536 characters; half as long is measured beside it: a parser is linear where
double the text takes double the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from benchmarks.report import Cell, Outcome, Table, median
from bot.events.commands import COMMANDS
from bot.parsing.command import parse_command
from bot.parsing.form import parse_form
from bot.parsing.repository_config import ConfigError, parse_config

LENGTH = 65_536
TIMES = 5
_FORM = "### Model name\n\ndemo\n\n"
FORMS: dict[str, Callable[[int], str]] = {
    "letters": lambda size: "a" * size,
    "empty lines": lambda size: "\n" * size,
    "unknown headings": lambda size: _filled("### no such field\n\n", size),
    "one heading, again and again": lambda size: _filled(_FORM, size),
    "almost a heading": lambda size: _filled("###\n", size),
    "hyperparameters by line": lambda size: _FORM + _filled("### Hyperparameters\n\n", 40) + _lines("a{}: 1", size),
    "hyperparameters, colons": lambda size: f"### Hyperparameters\n\n{':' * size}",
    "hyperparameters, quotes": lambda size: "### Hyperparameters\n\na: " + "'\"" * (size // 2),
    "hyperparameters, backslashes": lambda size: '### Hyperparameters\n\na: "' + "\\" * size,
    "hyperparameters, JSON nested": lambda size: "### Hyperparameters\n\n" + '{"a":' * (size // 5),
    "hyperparameters, brackets": lambda size: "### Hyperparameters\n\n" + "[" * size,
    "features, a list": lambda size: "### Features\n\npolynomial: [" + _filled("a, ", size),
    "features, colons": lambda size: "### Features\n\nbins: {" + ":" * size,
    "features, blanks": lambda size: "### Features\n\nbins: {a" + " " * size,
    "features, quotes": lambda size: "### Features\n\npolynomial: [" + "'\"" * (size // 2),
    "a number of digits": lambda size: "### Seed\n\n" + "9" * size,
    "a path of dots": lambda size: "### Data\n\n" + "../" * (size // 3),
    "carriage returns": lambda size: "\r" * size,
    "half of a character": lambda size: "\ud800" * size,
}
COMMENTS: dict[str, Callable[[int], str]] = {
    "no command": lambda size: "a" * size,
    "blanks, then a command": lambda size: " " * size + "/help",
    "blanks in a command": lambda size: "/approve" + " " * size,
    "settings": lambda size: "/approve " + _filled("a=1 ", size),
    "quotes": lambda size: "/approve a=" + "'\"" * (size // 2),
    "backslashes": lambda size: '/approve a="' + "\\" * size,
    "brackets": lambda size: "/approve a=" + "[" * size,
    "equals signs": lambda size: "/approve " + "=" * size,
    "digits": lambda size: "/approve a=" + "9" * size,
    "a long unknown command": lambda size: "/" + "approv" * (size // 6),
    "slashes": lambda size: "/" * size,
    "lines": lambda size: "\n" * size + "/help",
}
CONFIGS: dict[str, Callable[[int], str]] = {
    "letters": lambda size: "a" * size,
    "unknown keys": lambda size: _lines("k{}: 1", size),
    "one key, again and again": lambda size: _filled("runners: [a]\n", size),
    "a list of roots": lambda size: "data_roots:\n" + _filled("  - /a\n", size),
    "a list of labels": lambda size: "runners: [" + _filled("a,", size),
    "brackets": lambda size: "[" * size,
    "dashes": lambda size: "- " * (size // 2),
    "quotes": lambda size: 'runners: "' + '\\"' * (size // 2),
    "anchors": lambda size: _lines("a{0}: &a{0} 1", size),
    "comments": lambda size: _filled("# \n", size),
    "a long value": lambda size: "language: " + "e" * size,
}


def _config(text: str) -> object:
    """Read a configuration, or say what is wrong with it."""
    try:
        return parse_config(text)
    except ConfigError as error:
        return error


def run() -> Outcome:
    """Parse every text, whole and half as long."""
    rows: list[tuple[Cell, ...]] = []
    doors = (
        ("form", parse_form, FORMS),
        ("comment", partial(parse_command, commands=COMMANDS), COMMENTS),
        ("config", _config, CONFIGS),
    )
    for door, parser, texts in doors:
        rows += [(f"{door}: {name}", *_measured(parser, make)) for name, make in texts.items()]
    rows.sort(key=lambda row: -float(row[1] or 0))
    worst = Table("64 kB of text, the slowest first", ("text", "ms", "ms for half of it"), rows)
    return Outcome([worst], [f"Median of {TIMES}, in one process. Promised: under 50 ms each."])


def _measured(parser: Callable[[str], object], make: Callable[[int], str]) -> tuple[float, float]:
    return _milliseconds(parser, make(LENGTH)[:LENGTH]), _milliseconds(parser, make(LENGTH // 2)[: LENGTH // 2])


def _milliseconds(parser: Callable[[str], object], text: str) -> float:
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        parser(text)
        took.append((time.perf_counter() - began) * 1000)
    return round(median(took), 3)


def _filled(piece: str, size: int) -> str:
    return piece * (size // len(piece) + 1)


def _lines(pattern: str, size: int) -> str:
    return "\n".join(pattern.format(number) for number in range(size // len(pattern)))
