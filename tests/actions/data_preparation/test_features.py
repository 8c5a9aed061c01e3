"""What feature_engineering makes of real tables, that it learns nothing that it must not, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from vega_datasets import data as vega

from actions.data_preparation.transformers import encode_target, training_features
from actions.storage.skops_file import open_fitted
from tests.support.operating import Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def r2_of(desk: Desk, frame: pd.DataFrame, target: str, **plan: Any) -> tuple[float, Any]:
    """Split, make features, train a linear regression and evaluate it, each through its operation."""
    uri = desk.data("table.csv", frame.to_csv(index=False))
    parts = desk.call("split_dataset", data=uri, destination="parts", validation_fraction=0)
    made = desk.call(
        "feature_engineering", data=parts.train.uri, target=target, task="regression", destination="features", **plan
    )
    model = desk.call(
        "train_supervised_regressor",
        data=parts.train.uri,
        target=target,
        destination="model",
        algorithm="linear_regression",
        preprocessor=made.uri,
    )
    desk.call("save_model", training="model", destination="saved", name="table")
    found = desk.call("evaluate_regressor", model="saved/model.skops", data=parts.test.uri)
    assert model.uri
    return found.metrics["r2"], made


def cars() -> pd.DataFrame:
    frame = pd.read_json(vega.cars.filepath)
    return frame[["Miles_per_Gallon", "Cylinders", "Displacement", "Horsepower", "Weight_in_lbs"]].dropna()


def test_polynomials_predict_what_the_same_steps_of_scikit_learn_predict(desk: Desk) -> None:
    columns = ["Displacement", "Horsepower", "Weight_in_lbs"]
    r2, made = r2_of(desk, cars(), "Miles_per_Gallon", polynomial=columns)
    train, test = (pd.read_parquet(desk.root / f"parts/{name}.parquet") for name in ("train", "test"))
    products = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False))
    plain = make_pipeline(
        ColumnTransformer([("number", StandardScaler(), ["Cylinders"]), ("polynomial", products, columns)]),
        LinearRegression(),
    )
    plain.fit(train.drop(columns="Miles_per_Gallon"), train["Miles_per_Gallon"])
    assert r2 == pytest.approx(plain.score(test.drop(columns="Miles_per_Gallon"), test["Miles_per_Gallon"]), abs=1e-9)
    straight, _ = r2_of(desk, cars(), "Miles_per_Gallon")
    assert r2 > straight + 0.05
    assert made.features == 1 + 9
    assert "polynomial__Displacement Horsepower" in made.names


def test_cyclic_date_parts_capture_the_season(desk: Desk) -> None:
    weather = pd.read_csv(vega.seattle_weather.filepath)[["date", "wind", "temp_max"]]  # 2012/01/01
    straight, _ = r2_of(desk, weather, "temp_max")
    seasonal, made = r2_of(desk, weather, "temp_max", date_parts=["month_sin", "month_cos"])
    assert made.names == ["number__wind", "date__date_month_sin", "date__date_month_cos"]
    assert seasonal > 0.65 > straight + 0.2


def test_bins_let_a_linear_model_fit_a_curve(desk: Desk) -> None:
    straight, _ = r2_of(desk, cars()[["Miles_per_Gallon", "Horsepower"]], "Miles_per_Gallon")
    bent, made = r2_of(desk, cars()[["Miles_per_Gallon", "Horsepower"]], "Miles_per_Gallon", bins={"Horsepower": 6})
    assert bent > straight + 0.04
    assert made.features == 1 + 6


def test_hundreds_of_categories_become_one_number_each(desk: Desk) -> None:
    airports = vega.airports()[["state", "city", "latitude"]]
    r2, made = r2_of(desk, airports, "latitude", target_encoding=["state"], frequency_encoding=["city"])
    assert made.names == ["share__city_share", "target__state"]
    assert r2 > 0.9


def noise(rows: int = 2_000) -> pd.DataFrame:
    """Return a category with a handful of rows each that tells nothing of the target."""
    draw = np.random.default_rng(3)
    return pd.DataFrame(
        {"code": [f"c{number}" for number in draw.integers(0, rows // 4, rows)], "x": draw.normal(size=rows),
         "y": np.where(draw.random(rows) < 0.5, "a", "b")}
    )  # fmt: skip


def test_a_model_does_not_learn_the_noise_of_target_encoding(desk: Desk) -> None:
    train, test = (
        desk.data("train.csv", noise().to_csv(index=False)),
        desk.data("test.csv", noise().to_csv(index=False)),
    )
    made = desk.call("feature_engineering", data=train, target="y", destination="out", target_encoding=["code"])
    model = desk.call(
        "train_supervised_classifier", data=train, target="y", destination="model", algorithm="logistic_regression",
        preprocessor=made.uri,
    )  # fmt: skip
    assert test
    assert model.metrics["train_roc_auc"] < 0.6
    rows = noise()
    naive = open_fitted(desk.root / made.uri, made.sha256).transform(rows.drop(columns="y"))
    told = np.corrcoef(naive[:, 1], rows["y"] == "b")[0, 1]
    assert told > 0.4, "without cross-fitting the encoding would tell each row its own target"


@pytest.mark.parametrize("classes", [2, 3])
def test_fitting_again_for_the_training_rows_changes_nothing_else(desk: Desk, classes: int) -> None:
    frame = noise(300)
    frame["y"] = [f"class {row % classes}" for row in range(300)]
    uri = desk.data("a.csv", frame.to_csv(index=False))
    made = desk.call(
        "feature_engineering", data=uri, target="y", destination="out", target_encoding=["code"],
        selection="mutual_information", keep=2,
    )  # fmt: skip
    fitted = open_fitted(desk.root / made.uri, made.sha256)
    rows = frame.drop(columns="y")
    before = fitted.transform(rows)
    first, again = (training_features(fitted, rows, frame["y"].to_numpy()) for _ in range(2))
    assert (first == again).all()
    assert not np.allclose(first, before)
    assert (fitted.transform(rows) == before).all()


def test_only_the_given_rows_are_used_for_fitting(desk: Desk) -> None:
    train = desk.data("train.csv", "c,x,y\n" + "".join(f"{'uv'[row % 2]},{row},{row % 2}\n" for row in range(40)))
    made = desk.call(
        "feature_engineering", data=train, target="y", destination="out",
        frequency_encoding=["c"], bins={"x": 2}, task="classification",
    )  # fmt: skip
    fitted = open_fitted(desk.root / made.uri, made.sha256)
    assert made.names == ["number__x", "bins x__x_0.0", "bins x__x_1.0", "share__c_share"]
    later = pd.DataFrame({"c": ["u", "never seen", None], "x": [0.0, 1e9, np.nan]})
    features = fitted.transform(later)
    assert features[:, 1:3].tolist() == [[1, 0], [0, 1], [0, 1]]
    assert features[0, 3] == 0  # half of the rows, as in training: the mean
    assert features[1, 3] == features[2, 3] == -0.5


def test_mutual_information_keeps_the_informative_features(desk: Desk) -> None:
    made = desk.call(
        "feature_engineering", data="sklearn://breast_cancer", target="target", destination="out",
        selection="mutual_information", keep=5,
    )  # fmt: skip
    assert made.features == 5
    assert {"number__worst perimeter", "number__worst area", "number__worst radius"} <= set(made.names)
    assert len(made.left_out) == 25
    assert next(iter(made.scores)) in {"number__worst perimeter", "number__worst area"}
    assert made.scores["number__worst perimeter"] == pytest.approx(0.47, abs=0.03)


def test_variance_drops_constant_and_rare_features(desk: Desk) -> None:
    rows = "".join(
        f"{row % 7},3,{'rare' if row < 3 else 'often' if row % 2 else 'other'},{row % 2}\n" for row in range(99)
    )
    made = desk.call(
        "feature_engineering", data=desk.data("a.csv", f"x,same,c,y\n{rows}"), target="y", destination="out",
        selection="variance", minimum_variance=0.05,
    )  # fmt: skip
    assert made.left_out == ["number__same", "category__c_rare"]
    assert made.names == ["number__x", "category__c_often", "category__c_other"]


def test_engineered_data_can_be_saved_with_its_names(desk: Desk) -> None:
    uri = desk.data("people.csv", people(60))
    made = desk.call(
        "feature_engineering", data=uri, target="pays", destination="out", bins={"age": 3}, selection="mutual_information",
        keep=4,
    )  # fmt: skip
    saved = desk.call(
        "save_processed_data", data=uri, destination="out/a.parquet", preprocessor=made.uri, target="pays"
    )
    assert [column.name for column in saved.columns] == [*made.names, "pays"]


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown column": ({"polynomial": ["agee"]}, "unknown_column", "most similar first: age"),
    "products of a category": ({"interactions": ["age", "city"]}, "column_wrong_kind", ""),
    "bins of a date": ({"bins": {"joined": 3}}, "column_wrong_kind", ""),
    "encoding a number by the target": ({"target_encoding": ["age"]}, "column_wrong_kind", ""),
    "the target as a feature": ({"frequency_encoding": ["pays"]}, "features_contradict", ""),
    "one column to interact": ({"interactions": ["age"]}, "features_contradict", "at least two"),
    "polynomial and interaction": ({"polynomial": ["age"], "interactions": ["age", "size"]}, "features_contradict", ""),
    "a column twice": ({"polynomial": ["age", "age"]}, "features_contradict", ""),
    "an unknown part of a date": ({"date_parts": ["century"]}, "invalid_argument", ""),
    "one bin": ({"bins": {"age": 1}}, "invalid_argument", ""),
    "a misspelt argument": ({"polinomial": ["age"]}, "unknown_argument", "polynomial"),
    "a selection that leaves nothing": ({"selection": "variance", "minimum_variance": 5}, "features_refused", ""),
    "an unknown target": ({"target": "pay"}, "target_missing", "pays"),
}


@pytest.mark.parametrize(("arguments", "reason", "next_step"), REFUSED.values(), ids=REFUSED)
def test_a_plan_that_does_not_fit_the_data_is_refused_and_writes_nothing(
    desk: Desk, arguments: dict[str, Any], reason: str, next_step: str
) -> None:
    lines = people(60).splitlines()
    content = "\n".join([f"size,{lines[0]}", *(f"{row * 7 % 13},{line}" for row, line in enumerate(lines[1:]))]) + "\n"
    asked = {"data": desk.data("people.csv", content), "target": "pays", "destination": "out"} | arguments
    refusal = desk.refusal("feature_engineering", **asked)
    assert refusal.problem.reason == reason
    assert next_step in refusal.problem.next_step
    assert desk.files() == {}


def test_date_parts_need_dates_and_products_are_counted(desk: Desk) -> None:
    arguments = {"data": "sklearn://digits", "target": "target", "destination": "out"}
    assert desk.refusal("feature_engineering", date_parts=["year"], **arguments).problem.reason == "features_contradict"
    names = [
        column.name for column in desk.call("load_dataset", data="sklearn://digits").columns if column.distinct > 1
    ]
    refusal = desk.refusal("feature_engineering", polynomial=names[:-1], degree=3, **arguments)
    assert refusal.problem.reason == "too_many_features"
    assert f"{len(names) - 1} columns" in refusal.problem.found
    assert desk.files() == {}


def test_labels_of_any_type_are_learned_by_their_order() -> None:
    assert encode_target(np.array([True, False]), "classification").tolist() == [1, 0]
    assert encode_target(np.array(["b", "a", "b"], dtype=object), "classification").tolist() == [1, 0, 1]
    assert encode_target([1, 2.5], "regression").tolist() == [1, 2.5]
