"""Features are made a block of rows at a time, and are those of the whole table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from actions.errors import InvalidInput
from actions.models import feature_blocks
from actions.models.saved_model import open_model
from tests.support.operating import Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def trained(desk: Desk, algorithm: str, preprocessor: str | None = None) -> Any:
    data = desk.data("people.csv", people(200))
    made = desk.call(
        "train_supervised_classifier", data=data, target="pays", destination=algorithm, algorithm=algorithm,
        preprocessor=preprocessor, hyperparameters={} if algorithm != "random_forest" else {"n_estimators": 10},
    )  # fmt: skip
    desk.call("save_model", training=algorithm, destination=algorithm, name="people")
    return made


@pytest.mark.parametrize("algorithm", ["logistic_regression", "random_forest", "xgboost"])
def test_a_model_is_the_same_whatever_the_blocks(desk: Desk, monkeypatch: pytest.MonkeyPatch, algorithm: str) -> None:
    rows = pd.read_csv(desk.root / desk.data("new.csv", people(90))).drop(columns="pays")
    whole = trained(desk, algorithm)
    expected = open_model(desk.root / whole.uri).probabilities(rows)
    monkeypatch.setattr(feature_blocks, "BLOCK_ROWS", 7)
    again = trained(desk, algorithm)
    assert again.metrics == whole.metrics
    model = open_model(desk.root / again.uri)
    # A product of matrices may differ in its last bit with their size.
    assert np.allclose(model.probabilities(rows), expected, rtol=1e-12, atol=0)
    assert (model.predict(rows) == np.array(model.signature.classes)[expected.argmax(axis=1)]).all()


def test_features_encoded_by_the_target_are_still_those_of_training(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = desk.data("people.csv", people(200))
    desk.call(
        "feature_engineering", data=data, target="pays", destination="encoded", task="classification",
        target_encoding=["city"],
    )  # fmt: skip
    whole = trained(desk, "random_forest", "encoded/preprocessor.skops")
    monkeypatch.setattr(feature_blocks, "BLOCK_ROWS", 7)
    assert trained(desk, "random_forest", "encoded/preprocessor.skops").metrics == whole.metrics


def test_what_is_wrong_is_told_by_its_row_in_the_data(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(desk.root / trained(desk, "logistic_regression").uri)
    rows = pd.read_csv(desk.root / desk.data("new.csv", people(90))).drop(columns="pays")
    wrong = rows.assign(age=rows["age"].astype(object))
    wrong.loc[80, "age"] = "old"
    monkeypatch.setattr(feature_blocks, "BLOCK_ROWS", 7)
    with pytest.raises(InvalidInput, match="row 81"):
        model.predict(wrong)
