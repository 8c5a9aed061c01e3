"""Tables as they come, with gaps, texts and dates: each algorithm is as good as the same library in a plain script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from actions.contracts.algorithms import algorithm_names
from tests.support.by_hand import GIVEN, TASKS, by_hand, cars, votes, weather
from tests.support.operating import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("table", "kind", "algorithm"),
    [
        (table, kind, algorithm)
        for table, kind in ((cars, "regressor"), (votes, "classifier"), (weather, "classifier"))
        for algorithm in algorithm_names(TASKS[kind])
    ],
)
def test_a_messy_table_is_learnt_as_well_as_by_hand(desk: Desk, table: Any, kind: str, algorithm: str) -> None:
    frame, target = table()
    shuffled = frame.dropna(subset=[target]).sample(frac=1, random_state=1)
    ends = [0, int(0.6 * len(shuffled)), int(0.75 * len(shuffled)), len(shuffled)]
    parts = [shuffled.iloc[ends[place] : ends[place + 1]] for place in range(3)]
    uris = [desk.data(f"part{place}.csv", part.to_csv(index=False)) for place, part in enumerate(parts)]
    made = desk.call(
        f"train_supervised_{kind}", data=uris[0], validation=uris[1], target=target, destination="out",
        algorithm=algorithm, hyperparameters=GIVEN.get(algorithm, {}),
    )  # fmt: skip
    desk.call("save_model", training="out", destination="out", name="messy")
    metrics = desk.call(f"evaluate_{kind}", model=made.uri, data=uris[2]).metrics
    found = metrics["accuracy" if kind == "classifier" else "r2"]
    plain = by_hand(kind, algorithm, pd.read_csv(desk.root / uris[0]), pd.read_csv(desk.root / uris[2]), target)
    assert found >= plain - 0.03
