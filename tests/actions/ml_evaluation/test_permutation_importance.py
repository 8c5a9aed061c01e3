"""Permutation importances: what a model leans on is found, what it ignores is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance

from actions.ml_evaluation.permutation_importance import permutation_importances
from actions.models.saved_model import Model, open_model
from tests.support.operating import Desk, people


def a_model(tmp_path: Path, kind: str, frame: pd.DataFrame, target: str, algorithm: str) -> Model:
    desk = Desk(tmp_path)
    data = desk.data("rows.csv", frame.to_csv(index=False))
    desk.call(f"train_supervised_{kind}", data=data, target=target, destination="m", algorithm=algorithm)
    return open_model(desk.root / desk.call("save_model", training="m", destination="m", name="m").uri)


def test_a_column_that_decides_comes_first_and_one_that_says_nothing_loses_nothing(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"noise": generator.normal(size=300), "city": generator.choice(["Oslo", "Lima"], 300)})
    frame["y"] = np.where(frame["city"] == "Oslo", 10.0, 0.0)
    found = permutation_importances(a_model(tmp_path, "regressor", frame, "y", "linear_regression"), frame, seed=0)
    assert [one.column for one in found] == ["city", "noise"]
    assert found[0].mean == pytest.approx(2, abs=0.3), "shuffled, it predicts as badly as twice the spread"
    assert found[1].mean == pytest.approx(0, abs=1e-6)


def test_they_are_scikit_learns_but_for_the_shuffling(tmp_path: Path) -> None:
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True).frame
    model = a_model(tmp_path, "regressor", frame, "target", "linear_regression")
    found = {one.column: one.mean for one in permutation_importances(model, frame, seed=0)}
    rows = frame[[column.name for column in model.signature.columns]]
    expected = permutation_importance(model.pipeline, rows, frame["target"], scoring="r2", n_repeats=20, random_state=0)
    assert [found[name] for name in rows] == pytest.approx(list(expected.importances_mean), abs=0.1)


def test_dates_gaps_and_categories_are_shuffled_as_they_are(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    frame = pd.read_csv(desk.root / desk.data("p.csv", people(200)))
    found = permutation_importances(a_model(tmp_path, "classifier", frame, "pays", "random_forest"), frame, seed=0)
    assert [one.column for one in found][:2] == ["age", "city"]
    assert found == permutation_importances(open_model(desk.root / "m/model.skops"), frame, seed=0)


def test_a_target_of_one_value_has_none(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": range(60), "y": [n % 7 for n in range(60)]})
    model = a_model(tmp_path, "regressor", frame, "y", "linear_regression")
    assert permutation_importances(model, frame[frame["y"] == 3], seed=0) == []
