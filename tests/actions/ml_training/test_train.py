"""What the training operations make: a model over raw rows that answers with the target's own labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from actions.models.saved_model import open_model
from tests.support.operating import REPOSITORY, RUN, Desk, people

QUICK: dict[str, dict[str, Any]] = {"random_forest": {"n_estimators": 5}, "xgboost": {"n_estimators": 5}}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def trained(desk: Desk, kind: str, algorithm: str, content: str, target: str, **more: Any) -> Any:
    uri = desk.data("train.csv", content)
    arguments = {"hyperparameters": QUICK.get(algorithm, {})} | more
    made = desk.call(
        f"train_supervised_{kind}", data=uri, target=target, destination="out", algorithm=algorithm, **arguments
    )
    desk.call("save_model", training="out", destination="out", name="people")
    return made


@pytest.mark.parametrize("algorithm", ["random_forest", "logistic_regression", "xgboost"])
def test_a_classifier_takes_raw_rows_and_answers_with_the_labels_of_the_data(desk: Desk, algorithm: str) -> None:
    made = trained(desk, "classifier", algorithm, people(120), "pays")
    model = open_model(desk.root / made.uri, made.sha256)
    assert model.signature.classes == ["no", "yes"]
    rows: list[dict[str, Any]] = [
        {"age": 75, "city": "Bern", "joined": "2024-03-04"},
        {"age": 20, "city": "Lima", "joined": "2024-05-06"},
        {"age": None, "city": "never seen", "joined": None},
    ]
    assert set(model.predict(rows)) <= {"yes", "no"}
    assert model.predict(rows)[:2].tolist() == ["yes", "no"]
    assert model.probabilities(rows).shape == (3, 2)
    assert model.probabilities(rows).sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("algorithm", ["linear_regression", "random_forest", "xgboost"])
def test_a_regressor_answers_with_numbers(desk: Desk, algorithm: str) -> None:
    content = "x,z,y\n" + "".join(f"{row},{row % 5},{3 * row + row % 5}\n" for row in range(80))
    made = trained(desk, "regressor", algorithm, content, "y")
    model = open_model(desk.root / made.uri, made.sha256)
    assert model.signature.classes is None
    assert float(model.predict([{"x": 40, "z": 0}])[0]) == pytest.approx(120, rel=0.5)


@pytest.mark.parametrize(
    ("values", "classes"),
    [([0, 1], [0, 1]), ([3, 7], [3, 7]), (["false", "true"], [False, True]), (["b", "a"], ["a", "b"])],
)
@pytest.mark.parametrize("algorithm", ["logistic_regression", "xgboost"])
def test_labels_stay_what_they_were(desk: Desk, algorithm: str, values: list[Any], classes: list[Any]) -> None:
    content = "x,y\n" + "".join(f"{row},{values[row % 2]}\n" for row in range(40))
    made = trained(desk, "classifier", algorithm, content, "y")
    model = open_model(desk.root / made.uri, made.sha256)
    assert model.signature.classes == classes
    assert type(model.signature.classes[0]) is type(classes[0])
    assert set(model.predict([{"x": row} for row in range(40)]).tolist()) <= set(classes)


def test_whole_numbers_stay_whole_where_rows_without_a_target_made_them_floats(desk: Desk) -> None:
    content = "x,y\n" + "".join(f"{row},{'' if row == 5 else row % 2}\n" for row in range(40))
    made = trained(desk, "classifier", "xgboost", content, "y")
    assert open_model(desk.root / made.uri).signature.classes == [0, 1]


def test_the_signature_and_the_card_stand_beside_the_model(desk: Desk) -> None:
    made = trained(desk, "classifier", "logistic_regression", people(60), "pays", seed=7)
    signature = json.loads((desk.root / "out/model.json").read_text(encoding="utf-8"))
    assert signature["model_sha256"] == made.sha256
    assert signature["target"] == "pays"
    assert [(column["name"], column["kind"]) for column in signature["columns"]] == [
        ("age", "number"),
        ("city", "category"),
        ("joined", "date"),
    ]
    assert signature["seed"] == 7
    assert "scikit-learn" in signature["packages"]
    card = (desk.root / "out/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "# people" in card
    assert made.sha256 in card


def test_validation_rows_are_watched_and_boosting_stops_early_by_them(desk: Desk) -> None:
    validation = desk.data("validation.csv", people(30))
    made = trained(
        desk,
        "classifier",
        "xgboost",
        people(60),
        "pays",
        validation=validation,
        hyperparameters={"n_estimators": 200, "early_stopping_rounds": 3},
    )
    record = json.loads((desk.root / made.training_uri).read_text(encoding="utf-8"))
    assert set(record["curves"]) == {"train", "validation"}
    assert 3 < len(record["curves"]["validation"]["logloss"]) < 200
    assert {"train_accuracy", "validation_accuracy"} <= set(made.metrics)


def test_what_the_library_warns_of_is_kept(desk: Desk) -> None:
    made = trained(desk, "classifier", "logistic_regression", people(60), "pays", hyperparameters={"max_iter": 1})
    assert any("ConvergenceWarning" in warning for warning in made.warnings)


def test_what_was_fitted_by_prepare_is_used(desk: Desk) -> None:
    uri = desk.data("train.csv", people(60))
    steps = desk.call("preprocess_supervised", data=uri, target="pays", destination="steps")
    made = trained(desk, "classifier", "logistic_regression", people(60), "pays", preprocessor=steps.uri)
    own = trained(desk, "classifier", "logistic_regression", people(60), "pays")
    assert made.metrics == own.metrics


@pytest.mark.parametrize(
    ("kind", "algorithm", "given", "reason", "said"),
    [
        ("classifier", "random_forest", {"n_estimator": 5}, "unknown_hyperparameter", "n_estimators"),
        ("classifier", "xgboost", {"eta": 0.1}, "unknown_hyperparameter", "learning_rate"),
        ("classifier", "logistic_regression", {"random_state": 5}, "reserved_hyperparameter", "Seed"),
        ("classifier", "random_forest", {"n_estimators": "many"}, "hyperparameter_refused", "n_estimators"),
        ("classifier", "random_forest", {"n_estimators": -1}, "hyperparameter_refused", "n_estimators"),
        ("classifier", "random_forest", {"max_depth": 2.5}, "hyperparameter_refused", "max_depth"),
        ("classifier", "random_forest", {"criterion": "beauty"}, "hyperparameter_refused", "criterion"),
        ("classifier", "logistic_regression", {"C": -1}, "hyperparameter_refused", "'C'"),
        ("regressor", "linear_regression", {"fit_intercept": "maybe"}, "hyperparameter_refused", "fit_intercept"),
        ("regressor", "xgboost", {"n_estimators": 0}, "hyperparameter_refused", "n_estimators"),
    ],
)
def test_hyperparameters_are_refused_before_anything_is_written(
    desk: Desk, kind: str, algorithm: str, given: dict[str, Any], reason: str, said: str
) -> None:
    uri = desk.data("train.csv", "x,y\n" + "".join(f"{row},{row % 2}\n" for row in range(40)))
    refusal = desk.refusal(
        f"train_supervised_{kind}", data=uri, target="y", destination="out", algorithm=algorithm, hyperparameters=given
    )
    assert refusal.problem.reason == reason
    assert said in str(refusal)
    assert refusal.problem.field == "hyperparameters"
    assert desk.files() == {}


def test_an_algorithm_of_the_other_task_is_refused(desk: Desk) -> None:
    refusal = desk.refusal(
        "train_supervised_classifier", data="a.csv", target="y", destination="out", algorithm="linear_regression"
    )
    assert refusal.problem.reason == "invalid_argument"
    assert refusal.problem.field == "algorithm"


def test_final_metrics_and_losses_of_a_run_can_be_asked_for(desk: Desk) -> None:
    folder = f"{REPOSITORY}/models/{RUN}/1"
    uri = desk.data("train.csv", people(60))
    made = desk.call("train_supervised_classifier", data=uri, target="pays", destination=folder, algorithm="xgboost",
                     hyperparameters={"n_estimators": 4})  # fmt: skip
    found = desk.call("get_training_metrics", repository=REPOSITORY, run=RUN)
    assert found.state == "finished"
    assert found.metrics == made.metrics
    assert len(found.curves["train"]["logloss"]) == 4


def test_a_saved_model_is_the_one_that_was_trained(desk: Desk) -> None:
    made = trained(desk, "classifier", "logistic_regression", people(60), "pays")
    saved = desk.call("save_model", training="out", destination="kept", name="people", notes="by hand")
    assert saved.sha256 == made.sha256
    assert open_model(desk.root / saved.uri, made.sha256).signature.target == "pays"
    (desk.root / "out/model.skops").write_bytes(b"changed")
    assert (
        desk.refusal("save_model", training="out", destination="again", name="people").problem.reason
        == "digest_mismatch"
    )
    assert not (desk.root / "again").exists()


def test_predictions_do_not_depend_on_the_order_of_columns(desk: Desk) -> None:
    made = trained(desk, "classifier", "random_forest", people(60), "pays")
    model = open_model(desk.root / made.uri)
    rows = pd.read_csv(desk.root / REPOSITORY / "datasets/train.csv").drop(columns="pays")
    turned = rows[rows.columns[::-1]]
    assert model.probabilities(rows).tolist() == model.probabilities(turned).tolist()


@pytest.mark.gpu
def test_xgboost_trains_on_a_gpu_where_there_is_one_and_predicts_on_the_cpu(desk: Desk) -> None:
    from sklearn.datasets import make_classification

    from actions.ml_training.algorithms.xgboost import _has_gpu

    if not _has_gpu():
        pytest.skip("needs a GPU, and XGBoost with CUDA")
    rows, classes = make_classification(30_000, 20, random_state=0)
    frame = pd.DataFrame(rows, columns=[f"x{place}" for place in range(20)]).assign(y=classes)
    made = trained(desk, "classifier", "xgboost", frame.to_csv(index=False), "y")
    assert made.metrics["train_accuracy"] > 0.9
    assert open_model(desk.root / made.uri).pipeline[-1].estimator_.get_params()["device"] == "cpu"
