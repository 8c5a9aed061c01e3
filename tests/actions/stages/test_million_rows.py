"""A million rows by twenty columns go through the whole run, each process of it in less than 4 GB.

The limit is on what a process can write to (``RLIMIT_DATA``: heap and private mappings), which the system refuses beyond it.
``RLIMIT_AS`` would count the files that libraries map, most of which are never read: PyTorch's alone are a gigabyte. What was
resident at most, mapped files too, is looked at afterwards.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from actions.contracts.stage import Stage
from actions.tasks.exchange import WorkOrder
from tests.support.operating import REPOSITORY, RUN, Desk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA holds for all of a process's memory on Linux"),
]
ROOT = Path(__file__).parents[3]
ROWS = 1_000_000
LIMIT = 4 << 30

MEASURED = """
import resource, sys
from runners.job import main
code = main(sys.argv[1:])
print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)), file=sys.stderr)
sys.exit(code)
"""


class Done(NamedTuple):
    """What a stage came to, and the bytes that it, or what it started, had in memory at most."""

    result: dict[str, Any]
    peak: int


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


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("million"))
    path = desk.root / REPOSITORY / "datasets/m.csv"
    write_table(path, ROWS)
    yield desk
    path.unlink()


@pytest.fixture(scope="module")
def prepared(desk: Desk) -> Done:
    return limited("prepare", order_for(desk, 1, "xgboost"))


def order_for(desk: Desk, attempt: int, algorithm: str, **hyperparameters: Any) -> WorkOrder:
    """Each algorithm is an attempt of its own, of which the first one's data is taken."""
    return desk.order(attempt, algorithm=algorithm, hyperparameters=hyperparameters, data="m.csv", target="y")


def limited(stage: Stage, order: WorkOrder, **variables: str) -> Done:
    """Run a stage as a job does, under the limit."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    order_variables = {"MODELYARD_INPUT": order.model_dump_json(), "GITHUB_REPOSITORY": REPOSITORY}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, stage],
        cwd=ROOT,
        env=environment | order_variables | variables,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=800,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    peak = max(map(int, done.stderr.splitlines()[-1].split())) << 10
    assert peak < LIMIT
    return Done(json.loads(done.stdout)["record"]["result"], peak)


def test_they_are_prepared(desk: Desk, prepared: Done) -> None:
    result = prepared.result
    assert result["data"]["rows"] == ROWS
    assert result["data"]["columns"] == 20
    parts = {part: result[part]["rows"] for part in ("train", "validation", "test")}
    assert sum(parts.values()) == ROWS
    assert parts["test"] == pytest.approx(ROWS / 5, rel=1e-3)
    kinds = result["preprocessor"]["kinds"]
    assert (kinds["day"], kinds["flag"], kinds["shop"], kinds["gap"]) == ("date", "number", "category", "number")
    assert result["preprocessor"]["features"] == 15 + (4 + 12 + 100) + 6
    assert any("'shop' has 3000" in warning for warning in result["data"]["warnings"])
    train = pq.read_metadata(desk.root / f"{REPOSITORY}/processed/{RUN}/1/train.parquet")
    assert (train.num_rows, train.num_columns) == (parts["train"], 20)
    assert prepared.peak < LIMIT / 2


def test_they_become_a_judged_and_published_model(desk: Desk, prepared: Done, tmp_path: Path) -> None:
    order = order_for(desk, 1, "xgboost")
    bare = tmp_path / "server" / f"{REPOSITORY}.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True)
    trained = limited("train", order)
    evaluated = limited("evaluate", order)
    assert evaluated.result["rows"] == prepared.result["test"]["rows"]
    assert evaluated.result["metrics"]["accuracy"] > 0.8, "0.804 is what can be known of this target"
    low, high = evaluated.result["intervals"]["accuracy"]
    assert 0.002 < high - low < 0.006
    assert limited("judge", order).result["verdict"]["status"] == "passed"
    server = {"GITHUB_SERVER_URL": f"file://{tmp_path}/server", "GITHUB_TOKEN": "none"}
    published = limited("publish", order, **server).result["published"]
    shown = subprocess.run(
        ["git", "-C", str(bare), "show", f"{published['sha']}:result.json"], check=True, capture_output=True
    )
    assert json.loads(shown.stdout)["data"]["rows"] == ROWS
    assert max(trained.peak, evaluated.peak) < LIMIT / 2


@pytest.mark.parametrize(
    ("attempt", "algorithm", "hyperparameters"),
    [
        (2, "logistic_regression", {}),
        (3, "neural_network", {"epochs": 2, "patience": None}),
        (4, "random_forest", {"n_estimators": 10, "max_depth": 10}),
    ],
    ids=["logistic regression", "neural network", "random forest"],
)
@pytest.mark.usefixtures("prepared")
def test_each_algorithm_learns_from_them(
    desk: Desk, attempt: int, algorithm: str, hyperparameters: dict[str, Any]
) -> None:
    order = order_for(desk, attempt, algorithm, **hyperparameters)
    limited("train", order)
    assert limited("evaluate", order).result["metrics"]["accuracy"] > 0.75
