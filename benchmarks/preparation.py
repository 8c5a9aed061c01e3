"""The stage prepare on a million rows by 20 columns, against plain pandas + scikit-learn: time and peak memory.

Both read a CSV, look at each column, look for repeated rows, split by class, fit the same preprocessor and write three Parquet
files. Modelyard also finds out what each column holds, looks for leaks, checks the text, and keeps digests and records.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.orders import command_of, environment_of, order_of
from benchmarks.processes import Taken, plain_environment, taken
from benchmarks.report import Cell, Outcome, Table, median
from benchmarks.tables import write_mixed_csv

ROWS = 1_000_000
TIMES = 3
PLAIN = Path(__file__).with_name("plain_preparation.py")
OWN, USUAL = "Modelyard, the stage prepare", "plain, pandas' usual reader"


def run() -> Outcome:
    """Prepare the table in turns, each time in a process of its own."""
    return measured(ROWS, TIMES)


def measured(rows: int, times: int) -> Outcome:
    """Prepare a table of so many rows, so many times each way."""
    with tempfile.TemporaryDirectory(prefix="modelyard-preparation-") as name:
        folder = Path(name)
        order = order_of(folder / "storage", data="m.csv", target="y")
        table = folder / "storage" / order.repository / "datasets" / "m.csv"
        write_mixed_csv(table, rows)

        def own() -> Taken:
            took = taken(command_of("prepare"), environment_of(order))
            _remove(folder / "storage" / order.repository, "datasets")
            return took

        def plain(engine: str) -> Taken:
            command = [sys.executable, str(PLAIN), str(table), str(folder / "plain"), engine]
            took = taken(command, plain_environment())
            shutil.rmtree(folder / "plain")
            return took

        ways: dict[str, Callable[[], Taken]] = {
            OWN: own,
            USUAL: lambda: plain("c"),
            "plain, pandas with pyarrow's reader": lambda: plain("pyarrow"),
        }
        found = in_turns(ways, times)
        size = table.stat().st_size / 1e6
    return Outcome(
        [Table(f"preparing {rows:,} rows by 20 columns ({size:,.0f} MB of CSV)", COLUMNS, rows_of(found, USUAL))],
        [
            f"Whole processes, start included; medians of {times}, in turns. ratio: of processor time, to {USUAL}.",
            f"rows and features: {_same_work(found)}",
        ],
    )


def in_turns(ways: dict[str, Callable[[], Taken]], times: int) -> dict[str, list[Taken]]:
    """Do one thing in several ways, again and again in turns: what else the machine does meets all of them."""
    found: dict[str, list[Taken]] = {name: [] for name in ways}
    for _ in range(times):
        for name, way in ways.items():
            found[name].append(way())
    return found


COLUMNS = ("what", "seconds", "ratio", "of processor", "ratio of it", "peak MB")


def rows_of(found: dict[str, list[Taken]], base: str) -> list[tuple[Cell, ...]]:
    """Return a row for each way; ratios are medians of those of each turn."""
    return [
        (
            name,
            median([one.wall for one in took]),
            _ratio([one.wall for one in took], [one.wall for one in found[base]]),
            median([one.processor for one in took]),
            _ratio([one.processor for one in took], [one.processor for one in found[base]]),
            max(one.peak_mb for one in took),
        )
        for name, took in found.items()
    ]


def _ratio(own: Sequence[float], others: Sequence[float]) -> float:
    return median([one / other for one, other in zip(own, others, strict=True)])


def _same_work(found: dict[str, list[Taken]]) -> str:
    """Return what both came to, or what they differ in."""
    result = json.loads(found[OWN][0].said)["record"]["result"]
    parts = ("train", "validation", "test")
    own = {"rows": {part: result[part]["rows"] for part in parts}, "features": result["preprocessor"]["features"]}
    plain = json.loads(found[USUAL][0].said)
    said = ", ".join(f"{part} {rows:,}" for part, rows in own["rows"].items()) + f"; {own['features']} features"
    return f"{said}, the same in each." if own == plain else f"{own} here, {plain} there: NOT THE SAME WORK."


def _remove(folder: Path, kept: str) -> None:
    for path in folder.iterdir():
        if path.name != kept:
            shutil.rmtree(path)
