"""A million rows by twenty columns go through prepare in less than 4 GB."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.support.operating import REPOSITORY, RUN, Desk

ROOT = Path(__file__).parents[3]
ROWS = 1_000_000
LIMIT = 4 << 30

MEASURED = """
import resource, sys
from actions.cli import main
code = main(["prepare"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def write_table(path: Path, rows: int) -> None:
    """Write numbers, some of them missing, truth values, dates, and categories of which one has three thousand."""
    draw = np.random.default_rng(5)
    columns: dict[str, object] = {f"x{number}": draw.normal(size=rows) for number in range(11)}
    columns |= {
        "count": draw.integers(0, 500, rows),
        "flag": draw.random(rows) < 0.3,
        "city": np.array(["Oslo", "Lima", "Bern", "Rome"])[draw.integers(0, 4, rows)],
        "plan": np.array([f"plan {number}" for number in range(12)])[draw.integers(0, 12, rows)],
        "shop": np.array([f"shop {number}" for number in range(3_000)])[draw.integers(0, 3_000, rows)],
        "day": (np.datetime64("2023-01-01") + draw.integers(0, 700, rows)).astype("datetime64[D]"),
        "gap": pa.array(draw.normal(size=rows), mask=draw.random(rows) < 0.1),
        "score": draw.random(rows).round(3),
    }
    chance = columns["x0"] + columns["x1"] + draw.normal(size=rows)  # type: ignore[operator]
    columns["y"] = np.where(chance > 0, "yes", "no")
    path.parent.mkdir(parents=True)
    pyarrow.csv.write_csv(pa.table(columns), path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS holds on Linux")
def test_a_million_rows_are_prepared_under_a_limit_of_4_gb(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    write_table(tmp_path / REPOSITORY / "datasets/m.csv", ROWS)
    order = desk.order(data="m.csv", target="y")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED],
        cwd=ROOT,
        env=environment | {"MODELYARD_INPUT": order.model_dump_json(), "GITHUB_REPOSITORY": REPOSITORY},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT)),
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    result = json.loads(done.stdout)["record"]["result"]
    assert result["data"]["rows"] == ROWS
    assert result["data"]["columns"] == 20
    parts = {part: result[part]["rows"] for part in ("train", "validation", "test")}
    assert sum(parts.values()) == ROWS
    assert parts["test"] == pytest.approx(ROWS / 5, rel=1e-3)
    kinds = result["preprocessor"]["kinds"]
    assert (kinds["day"], kinds["flag"], kinds["shop"], kinds["gap"]) == ("date", "number", "category", "number")
    assert result["preprocessor"]["features"] == 15 + (4 + 12 + 100) + 6
    assert any("'shop' has 3000" in warning for warning in result["data"]["warnings"])
    train = pq.read_metadata(tmp_path / f"{REPOSITORY}/processed/{RUN}/1/train.parquet")
    assert (train.num_rows, train.num_columns) == (parts["train"], 20)
    peak = int(done.stderr.splitlines()[-1]) << 10
    assert peak < LIMIT / 2
