"""Every operation of supervised learning through ``/run``, for real: said in a comment, done on a runner, as good as by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from actions.operation import operations
from tests.support.by_hand import by_hand, cars, weather
from tests.support.real_loop import RealLoop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CAPABILITIES = ("data_preparation", "ml_training", "ml_evaluation")


class Desk:
    """An issue of its own, and a folder of its own in the repository's storage."""

    def __init__(self, real: RealLoop, name: str) -> None:
        self.real, self.name, self.issue = real, name, real.open_plain(f"Work on {name}")
        self.done: dict[str, dict[str, Any]] = {}

    def __call__(self, operation: str, /, **arguments: Any) -> dict[str, Any]:
        self.done[operation] = self.real.operation(self.issue, operation, **arguments)
        return self.done[operation]

    def bytes(self, uri: str) -> bytes:
        return (self.real.storage / uri).read_bytes()

    def frame(self, uri: str) -> pd.DataFrame:
        return pd.read_parquet(io.BytesIO(self.bytes(uri)))


def test_cars_from_the_file_to_the_report(real: RealLoop) -> None:
    """Regression, with a preprocessor of its own and a search."""
    table, target = cars()
    real.data("operations/cars.csv", table.dropna(subset=[target]).to_csv(index=False))
    desk, data = Desk(real, "cars"), "datasets/operations/cars.csv"

    loaded = desk("load_dataset", data=data, preview_rows=2)
    kinds = {column["name"]: column["kind"] for column in loaded["columns"]}
    assert (loaded["rows"], kinds["Year"], kinds["Name"], kinds["Horsepower"]) == (398, "date", "category", "number")
    assert len(loaded["preview"]) == 2
    checked = desk("validate_data", data=data, target=target)
    assert checked["passed"]
    assert {check["name"] for check in checked["checks"] if check["status"] == "warning"} == {"many_categories"}

    split = desk("split_dataset", data=data, destination="cars/parts", strategy="random", target=target, seed=1)
    assert [split[part]["rows"] for part in ("train", "validation", "test")] == [278, 40, 80]
    train, test = "cars/parts/train.parquet", "cars/parts/test.parquet"
    plain = desk("preprocess_supervised", data=train, target=target, destination="cars/plain")
    made = desk(
        "feature_engineering", data=train, target=target, destination="cars/features", task="regression",
        polynomial=["Weight_in_lbs", "Horsepower"], date_parts=["year"], frequency_encoding=["Name"],
    )  # fmt: skip
    assert made["kinds"] == plain["kinds"]
    assert made["features"] < plain["features"], "a name's share is one number, not a hundred"
    saved = desk(
        "save_processed_data", data=train, destination="cars/train.parquet", preprocessor="cars/features/preprocessor.skops",
        target=target,
    )  # fmt: skip
    assert desk.frame("cars/train.parquet").shape == (278, made["features"] + 1) == (278, len(saved["columns"]))

    first = desk(
        "train_supervised_regressor", data=train, target=target, destination="cars/linear",
        preprocessor="cars/features/preprocessor.skops",
    )  # fmt: skip
    assert first["metrics"]["train_r2"] > 0.8
    search = desk(
        "tune_hyperparameters", data=train, target=target, destination="cars/tuning", task="regression",
        algorithm="xgboost", trials=6, validation="cars/parts/validation.parquet",
        space={"max_depth": {"choices": [2, 4]}, "learning_rate": {"low": 0.05, "high": 0.3, "log": True}},
    )  # fmt: skip
    assert search["stopped_by"] == "trials"
    # What is asked for counts as well, and stays where nothing is better.
    assert search["value"] <= search["baseline_score"]
    assert set(search["hyperparameters"]) == (
        {"max_depth", "learning_rate"} if search["value"] < search["baseline_score"] else set()
    )
    desk(
        "train_supervised_regressor", data=train, target=target, destination="cars/boosted", algorithm="xgboost",
        hyperparameters=search["hyperparameters"],
    )  # fmt: skip
    found: dict[str, Any] = {}
    for name in ("linear", "boosted"):
        desk("save_model", training=f"cars/{name}", destination=f"cars/{name}", name="cars")
        found = desk("evaluate_regressor", model=f"cars/{name}/model.skops", data=test, destination=f"cars/{name}/test")
        algorithm = {"linear": "linear_regression", "boosted": "xgboost"}[name]
        by_itself = by_hand("regressor", algorithm, desk.frame(train), desk.frame(test), target)
        assert found["metrics"]["r2"] >= max(0.8, by_itself - 0.03)

    compared = desk(
        "compare_models", challenger="cars/boosted/model.skops", champion="cars/linear/model.skops", data=test,
        metric="rmse", margin=0.05, slices=["Origin"],
    )  # fmt: skip
    assert compared["compared"]["challenger"] == pytest.approx(found["metrics"]["rmse"])
    assert compared["verdict"] in ("accepted", "rejected", "too_close_to_tell")
    assert {one["value"] for one in compared["slices"]} == {"USA", "Europe", "Japan"}
    kept = desk("save_evaluation_results", evaluation="cars/boosted/test/results.json", destination="cars/kept")
    assert len(kept["plots"]) == 4
    assert json.loads(desk.bytes("cars/kept/results.json"))["metrics"] == found["metrics"]
    report = desk(
        "generate_evaluation_report",
        evaluation="cars/kept/results.json",
        destination="cars/report",
        title="How far cars go",
    )
    text = desk.bytes("cars/report/report.html").decode()
    assert "How far cars go" in text
    assert text.count("data:image/png;base64,") == len(report["plots"]) == 4


def test_weather_from_the_file_to_a_prediction(real: RealLoop) -> None:
    """Classification, split by time, by the network and a plain model."""
    table, target = weather()
    real.data("operations/weather.csv", table.to_csv(index=False))
    desk, data = Desk(real, "weather"), "datasets/operations/weather.csv"
    checked = desk("validate_data", data=data, target=target)
    assert checked["classes"]["snow"] == 23
    split = desk("split_dataset", data=data, destination="weather", strategy="stratified", column=target, target=target)
    assert split["classes"]["test"]["snow"] == 5
    train, test = "weather/train.parquet", "weather/test.parquet"
    assert (
        desk("preprocess_unsupervised", data=train, destination="weather/plain", leave_out=[target])["features"] == 10
    )
    for algorithm in ("random_forest", "neural_network"):
        folder = f"weather/{algorithm}"
        made = desk(
            "train_supervised_classifier", data=train, validation="weather/validation.parquet", target=target,
            destination=folder, algorithm=algorithm,
        )  # fmt: skip
        saved = desk("save_model", training=folder, destination=folder, name="weather", notes="For Seattle.")
        assert saved["sha256"] == made["sha256"]
        found = desk("evaluate_classifier", model=f"{folder}/model.skops", data=test, sha256=made["sha256"])
        plain = by_hand("classifier", algorithm, desk.frame(train), desk.frame(test), target)
        assert found["metrics"]["accuracy"] >= max(0.75, plain - 0.03)
    row = {"date": "2015-07-01", "precipitation": 0, "temp_max": 31.0, "temp_min": 17.0, "wind": 2.5}
    loaded = desk("load_model", model="weather/random_forest/model.skops", rows=[row])
    assert loaded["predictions"] == ["sun"]
    assert "For Seattle." in loaded["card"]


def test_no_operation_is_left_out() -> None:
    names = {one.name for one in operations().values() if one.toolset in CAPABILITIES and one.where == "runner"}
    said = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in names if f'"{name}"' not in said} == set()
