"""What a benchmark found, as tables for people and as JSON for machines."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

Cell = str | float | None


@dataclass(frozen=True)
class Table:
    """Rows of figures under one heading.

    Attributes
    ----------
    title
        What the rows are about.
    columns
        Their names, units included (``seconds``, ``ms``).
    rows
        A cell for each column; None where there is no figure.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]

    def json(self) -> dict[str, Any]:
        return {"title": self.title, "rows": [dict(zip(self.columns, row, strict=True)) for row in self.rows]}


@dataclass(frozen=True)
class Outcome:
    """What one benchmark found.

    Attributes
    ----------
    tables
        The figures.
    notes
        What a reader has to know to read them rightly.
    """

    tables: list[Table]
    notes: list[str] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        return {"tables": [table.json() for table in self.tables], "notes": self.notes}


def show(console: Console, outcome: Outcome) -> None:
    """Print the tables, and the notes below them."""
    for table in outcome.tables:
        console.print(_rendered(table))
    for note in outcome.notes:
        console.print(f"  {note}", highlight=False, markup=False)


def _rendered(table: Table) -> RichTable:
    rendered = RichTable(title=table.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for number, column in enumerate(table.columns):
        is_text = all(isinstance(row[number], str) for row in table.rows)
        rendered.add_column(column, justify="left" if is_text else "right", no_wrap=number == 0)
    for row in table.rows:
        rendered.add_row(*(written(cell) for cell in row))
    return rendered


def written(cell: Cell) -> str:
    """Return a cell as people read it: three digits, or a thousandth."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    size = abs(cell)
    digits = next((digits for limit, digits in ((100, 0), (10, 1), (1, 2)) if size >= limit), 3)
    return f"{cell:,.{digits}f}"


def median(values: Sequence[float]) -> float:
    """Return the median, rounded to a microsecond's worth of digits."""
    return round(statistics.median(values), 6)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]
