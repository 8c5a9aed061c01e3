"""Made tables for benchmarks: large enough that work on them takes seconds, the same each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_mixed_csv(path: Path, rows: int) -> None:
    """Write twenty columns as tables have them: numbers (one with gaps), truth values, dates, categories, a target ``y``.

    One category has three thousand values, more than one-hot encoding tells apart.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    draw = np.random.default_rng(5)
    columns: dict[str, Any] = {f"x{number}": draw.normal(size=rows) for number in range(11)}
    columns |= {
        "count": draw.integers(0, 500, rows),
        "flag": draw.random(rows) < 0.3,  # noqa: PLR2004  # a share
        "city": np.array(["Oslo", "Lima", "Bern", "Rome"])[draw.integers(0, 4, rows)],
        "plan": np.array([f"plan {number}" for number in range(12)])[draw.integers(0, 12, rows)],
        "shop": np.array([f"shop {number}" for number in range(3_000)])[draw.integers(0, 3_000, rows)],
        "day": (np.datetime64("2023-01-01") + draw.integers(0, 700, rows)).astype("datetime64[D]"),
        "gap": pa.array(draw.normal(size=rows), mask=draw.random(rows) < 0.1),  # noqa: PLR2004  # a share
        "score": draw.random(rows).round(3),
    }
    columns["y"] = np.where(columns["x0"] + columns["x1"] + draw.normal(size=rows) > 0, "yes", "no")
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.csv.write_csv(pa.table(columns), path)


def write_numbers(path: Path, rows: int, features: int, task: str) -> None:
    """Write a table of numbers as Parquet, with a target ``y`` that hangs on them in a way that is not linear alone."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(11)
    columns: dict[str, Any] = {f"x{number}": draw.normal(size=rows) for number in range(features)}
    signal = columns["x0"] - columns["x1"] + columns["x2"] * columns["x3"] + 0.5 * draw.normal(size=rows)
    columns["y"] = signal if task == "regression" else (signal > 0).astype(np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
